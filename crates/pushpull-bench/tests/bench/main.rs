//! Contenders of one's own, and what is measured of them.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::mpsc;

use bytes::Bytes;
use pushpull_bench::{
    About, Bench, Bridge, Contender, Entry, Lack, Pace, Placement, Program, Question, Queue, Report, Sizes, Workload,
    contenders, gone,
};

/// A queue that changes what it carries.
#[derive(Clone)]
struct Changed {
    name: &'static str,
    change: fn(Bytes) -> Bytes,
}

impl Queue for Changed {
    fn about(&self) -> About {
        About::new(self.name).lacks(&[Lack::Bytes])
    }

    fn ends(
        &self,
        places: usize,
    ) -> (impl FnMut(Bytes) -> io::Result<()> + Send + 'static, impl FnMut() -> Option<Bytes> + 'static) {
        let (sender, receiver) = mpsc::sync_channel(places);
        let change = self.change;
        (move |chunk| sender.send(change(chunk)).map_err(gone), move || receiver.recv().ok())
    }
}

/// Collects everything before the first chunk, on the reader's thread.
#[derive(Clone)]
struct Collected;

impl Contender for Collected {
    fn about(&self) -> About {
        About::new("collected").placement(Placement::Reader).lacks(&[Lack::Bound])
    }

    fn open(&self, sizes: Sizes, program: impl Program) -> io::Result<Box<dyn Bridge>> {
        // An endless program is refused.
        let mut bytes = Limited(Vec::new());
        program.run(&mut bytes)?;
        Ok(Box::new(Rest { bytes: bytes.0, chunk: sizes.chunk, at: 0 }))
    }
}

struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.0.len() > 128 << 20 {
            return Err(io::Error::other("too much"));
        }
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Rest {
    bytes: Vec<u8>,
    chunk: usize,
    at: usize,
}

impl Bridge for Rest {
    fn pull(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let end = self.bytes.len().min(self.at + self.chunk);
        if self.at == end {
            return Ok(false);
        }
        take(&self.bytes[self.at..end]);
        self.at = end;
        Ok(true)
    }
}

fn failed<'a>(report: &'a Report, contender: &str) -> Vec<&'a str> {
    report.rows.iter().filter(|row| row.contender == contender).filter_map(|row| row.failed.as_deref()).collect()
}

fn names(report: &Report, question: &str) -> Vec<String> {
    let mut names: Vec<String> = report.of(question).map(|row| row.contender.clone()).collect();
    names.dedup();
    names
}

#[test]
fn a_contender_that_loses_or_changes_a_byte_has_failed() {
    let lossy = Changed { name: "lossy", change: |chunk| chunk.slice(1..) };
    let wrong = Changed {
        name: "wrong",
        change: |chunk| {
            let mut bytes = chunk.to_vec();
            bytes[0] ^= 1;
            bytes.into()
        },
    };
    let right = Changed { name: "right", change: |chunk| chunk };
    let bench = Bench::new().contender(lossy).contender(wrong).contender(right).quick();
    let report = bench.ask(Question::WriteSize).ask(Question::Handoff).run();
    // Eight sizes of writes. A chunk that is handed over is only counted.
    assert_eq!(failed(&report, "lossy").len(), 9, "{:?}", failed(&report, "lossy"));
    assert_eq!(failed(&report, "wrong"), ["the bytes read differ from the bytes written"; 8]);
    assert_eq!(failed(&report, "right"), [] as [&str; 0]);
    assert!(report.table().contains("write_size, 64 B, lossy: not measured: the bytes read differ"));
}

#[test]
fn a_contender_that_is_no_queue_is_measured() {
    let report = Bench::new().contender(Collected).ask(Question::WriteSize).ask(Question::Handoff).quick().run();
    assert_eq!(failed(&report, "collected"), [] as [&str; 0]);
    assert!(names(&report, "write_size").contains(&"collected".to_owned()));
    // It takes bytes only.
    assert!(!names(&report, "handoff").contains(&"collected".to_owned()));
}

#[test]
fn what_contenders_cannot_do_is_reported() {
    let report = Bench::new().contender(Collected).ask(Question::WriteSize).quick().run();
    assert_eq!(report.lacks["collected"], [Lack::Bound]);
    assert!(!report.lacks.contains_key("Thread"));
    let table = report.table();
    assert!(table.contains("cannot be bounded in bytes: io::pipe, collected\n"), "{table}");
    assert!(report.html().contains("Cannot be bounded in bytes:</strong> <span>io::pipe, collected</span>"));
    assert_eq!(Report::from_json(&report.to_json()).unwrap().lacks, report.lacks);
}

#[test]
fn one_of_the_same_name_is_replaced() {
    let own = Changed { name: "crossbeam", change: |chunk| chunk.slice(1..) };
    let report = Bench::new().contender(own).ask(Question::Handoff).quick().run();
    assert_eq!(report.rows.iter().filter(|row| row.contender == "crossbeam").count(), 1);
    assert_eq!(failed(&report, "crossbeam").len(), 1);
}

#[test]
fn who_cannot_wait_is_asked_at_full_speed_only() {
    #[derive(Clone)]
    struct Polls;
    impl Queue for Polls {
        fn about(&self) -> About {
            About::new("polls").lacks(&[Lack::Waiting])
        }

        fn ends(
            &self,
            places: usize,
        ) -> (impl FnMut(Bytes) -> io::Result<()> + Send + 'static, impl FnMut() -> Option<Bytes> + 'static) {
            Changed { name: "", change: |chunk| chunk }.ends(places)
        }
    }
    let at = |workload| {
        let report = Bench::new().contender(Polls).ask(Question::Workload(workload)).quick().run();
        (names(&report, "workload").contains(&"polls".to_owned()), report.left_out)
    };
    assert_eq!(at(Workload::of_writes(4096)), (true, Vec::new()));
    let slow: Pace = "1ms".parse().unwrap();
    let (is_there, left_out) = at(Workload { reader: slow, ..Workload::of_writes(4096) });
    assert!(!is_there);
    assert_eq!(left_out, ["polls in workload: it cannot wait"]);
}

#[test]
fn an_observer_sees_the_time_pass_and_may_end_the_run() {
    let plan = || Bench::new().ask(Question::Handoff).ask(Question::WriteSize).quick().plan();
    let mut passed = Vec::new();
    let report = plan().run(|next| {
        passed.push(next.passed);
        ControlFlow::Continue(())
    });
    assert!(report.is_continue() && passed.is_sorted() && passed.last() <= Some(&plan().time()));
    let mut runs = 0;
    let report = plan().run(|_| {
        runs += 1;
        if runs == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(report.is_break() && runs == 3);
}

#[test]
fn every_contender_of_this_crate_carries_every_byte() {
    let peers = contenders::peers();
    let known: Vec<&str> = peers.iter().map(Entry::name).collect();
    let bench = Bench::new().entries(peers.clone()).ask(Question::WriteSize).ask(Question::Lifetime).quick();
    let report = bench.run();
    for name in known {
        assert_eq!(failed(&report, name), [] as [&str; 0], "{name}");
    }
}
