//! The task that watches one program: enforces its limits, and makes sure that it ends. The task outlives a dropped
//! response.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Sleep;

use super::process::Process;
use super::pumps::Pumps;
use super::settings::Settings;
use crate::external::clock::{Limit, Wait};
use crate::external::output::Failure;
use crate::external::programs::{Counted, Permit, Programs};
use crate::external::stop::Stop;
use crate::service::report::Report;

/// A running program, and everything that belongs to it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) settings: Arc<Settings>,
    pub(super) programs: Arc<Programs>,
    pub(super) process: Process,
    pub(super) pumps: Pumps,
    pub(super) report: Report,
    pub(super) permit: Permit,
    pub(super) counted: Counted,
}

impl Watch {
    /// Runs until the program has ended, and all its output has been taken.
    pub(super) async fn run(self) {
        let Watch { settings, programs, process, mut pumps, report, permit, counted } = self;
        let mut timer = pin!(tokio::time::sleep_until(pumps.limit(&settings.common.limits)));
        let stop = loop {
            let ended =
                until(&mut pumps, &settings, &programs, timer.as_mut(), |_, context| process.poll_ended(context)).await;
            match ended {
                // The program continues without an output; its response does not wait for it.
                Err(Stop::Limit(Limit::Waited(Wait::Status))) => match pumps.settle(&report) {
                    Ok(()) => {}
                    Err(stop) => break stop,
                },
                Err(stop) => break stop,
                Ok(ended) => {
                    tracing::debug!(target: "pushpull::script", pid = process.id(), "{ended}");
                    let failure = ended.failure(settings.common.exit_status, &report);
                    let left = Watch { settings, programs, process, pumps, report, permit, counted };
                    return left.finish(failure, timer).await;
                }
            }
        };
        tracing::debug!(target: "pushpull::script", pid = process.id(), "stopped: {stop}");
        stop.fail(&mut pumps.output, &report);
        pumps.close();
        process.stop(settings.common.limits.get_kill_grace()).await;
        drop(counted);
        if matches!(stop, Stop::Limit(Limit::Drained)) {
            // A redirect does not need the output that was not taken.
            pumps.output.finish(None, Some(permit), &report);
            report.failure(&stop);
        }
    }

    /// Takes the rest of the output of a program that has ended. If the program has failed, kills what it has left
    /// behind.
    async fn finish(self, failure: Option<Failure>, timer: Pin<&mut Sleep>) {
        let Watch { settings, programs, process, mut pumps, report, permit, counted } = self;
        // A process of the group may be writing the rest of the output.
        let mut killed_later = None;
        if failure.is_none() {
            process.reap();
            drop(counted);
        } else if pumps.is_hung_up() {
            process.kill().await;
            drop(counted);
        } else {
            killed_later = Some((process, counted));
        }
        // A redirect needs a permit for the next program.
        let permit = (pumps.output.is_unanswered() || killed_later.is_some()).then_some(permit);
        pumps.finish();
        let rest = until(&mut pumps, &settings, &programs, timer, |pumps, _| pumps.poll_over()).await;
        if let Some((process, counted)) = killed_later {
            process.kill().await;
            drop(counted);
        }
        match rest {
            Ok(()) => pumps.output.finish(failure, permit, &report),
            Err(Stop::Limit(Limit::Waited(Wait::Rest))) => {
                let open = pumps.is_open().then_some(Failure::Open);
                pumps.output.finish(failure.or(open), permit, &report);
            }
            Err(stop) => return stop.fail(&mut pumps.output, &report),
        }
        pumps.take_last_errors().await;
    }
}

/// Moves what can be moved until `over` is ready or the program must stop.
async fn until<T>(
    pumps: &mut Pumps,
    settings: &Settings,
    programs: &Programs,
    mut timer: Pin<&mut Sleep>,
    mut over: impl FnMut(&Pumps, &mut Context<'_>) -> Poll<T>,
) -> Result<T, Stop> {
    let mut server = pin!(programs.stopped());
    poll_fn(|context| {
        if server.as_mut().poll(context).is_ready() || programs.is_stopping() {
            return Poll::Ready(Err(Stop::Server));
        }
        if let Poll::Ready(stop) = pumps.poll(&settings.common.limits, context) {
            return Poll::Ready(Err(stop));
        }
        match over(pumps, context) {
            Poll::Ready(over) => Poll::Ready(Ok(over)),
            Poll::Pending => pumps.poll_limit(&settings.common.limits, timer.as_mut(), context).map(Err),
        }
    })
    .await
}
