//! Benchmarks of bridges and queues: contenders side by side, in turns, with every byte checked.
//!
//! A [`Contender`] carries bytes from a program that writes to its reader. The engines of pushpull are contenders, and so
//! are channels, rings and pipes with what is written by hand around them. Add one of your own to see it beside them:
//!
//! ```
//! use std::io;
//! use std::sync::mpsc;
//!
//! use bytes::Bytes;
//! use pushpull_bench::{About, Bench, Lack, Question, Queue, gone};
//!
//! #[derive(Clone)]
//! struct Mine;
//!
//! impl Queue for Mine {
//!     fn about(&self) -> About {
//!         About::new("mine").lacks(&[Lack::Bytes, Lack::Truncation])
//!     }
//!
//!     fn ends(
//!         &self,
//!         places: usize,
//!     ) -> (impl FnMut(Bytes) -> io::Result<()> + Send + 'static, impl FnMut() -> Option<Bytes> + 'static) {
//!         let (sender, receiver) = mpsc::sync_channel(places);
//!         (move |chunk| sender.send(chunk).map_err(gone), move || receiver.recv().ok())
//!     }
//! }
//!
//! let report = Bench::new().contender(Mine).ask(Question::Handoff).quick().run();
//! print!("{}", report.table());
//! # assert!(report.rows.iter().any(|row| row.contender == "mine" && row.failed.is_none()));
//! ```
//!
//! Start from three types: [`Queue`] (or [`Contender`], if it is no queue of chunks), [`Bench`], and [`Report`], which is
//! a table, JSON, a page with plots, or a picture. The program `pushpull bench` does the same without a line of code.
//!
//! # How it measures
//!
//! All contenders run the same program, with the same chunk size and capacity, one after the other in rounds. A figure is
//! the median of its rounds. A ratio is the median of the ratios within the rounds: a disturbance of the machine reaches
//! both sides of it, and cancels out. Both sides add up every byte, and a contender that loses one has failed. No figure
//! shows what a contender cannot do, so its [`Lack`]s are listed.
//!
//! For one function in isolation, use criterion or divan.
//!
//! # Features
//!
//! * `peers`: queues and pipes of more libraries (`contenders::peers`).

mod bench;
mod contender;
pub mod contenders;
mod effort;
mod entry;
mod pace;
mod pipe;
mod questions;
mod queue;
mod report;
mod rounds;
pub mod run;
mod workload;

pub use bench::{Bench, Plan, Progress};
pub use contender::{About, Bridge, Contender, Lack, Placement, Program, Sizes};
pub use effort::Effort;
pub use entry::Entry;
pub use pace::Pace;
pub use pipe::piped;
pub use questions::Question;
pub use queue::{Gather, Queue, gone};
pub use report::figure::{Figure, Measure, Sample, Unit};
pub use report::statistics::{Spread, median};
pub use report::{Case, Change, Comparison, Machine, Report, Row, quantity};
pub use workload::Workload;

/// Runs the example of the README.
#[cfg(all(doctest, feature = "peers"))]
#[doc = include_str!("../README.md")]
struct Readme;
