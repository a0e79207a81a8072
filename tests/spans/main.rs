//! The spans of a program and of its host, with the registry of `tracing-subscriber`.
#![cfg(all(feature = "stream", feature = "tracing"))]

use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Waker};
use std::thread;

use bytes::Bytes;
use futures_util::Stream;
use pushpull::{Local, Pool, pipe};
use pushpull_testing::watchdog::within;
use tracing::field::{Field, Visit};
use tracing::{Event, Span, info, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{self, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// A layer that keeps each message with the names of its spans, from the outermost.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<(String, String)>>>);

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Kept {
    fn on_event(&self, event: &Event<'_>, context: layer::Context<'_, S>) {
        struct Message(String);

        impl Visit for Message {
            fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
                self.0 = format!("{value:?}");
            }
        }

        let mut message = Message(String::new());
        event.record(&mut message);
        let spans = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
        let spans: Vec<_> = spans.map(|span| span.name()).collect();
        self.0.lock().unwrap().push((message.0, spans.join(":")));
    }
}

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let kept = Kept::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(kept.clone())).unwrap();
    kept
});

/// Returns the spans of all messages that start with `of`, in order.
fn spans(of: &str) -> Vec<String> {
    let kept = KEPT.0.lock().unwrap();
    kept.iter().filter(|(message, _)| message.starts_with(of)).map(|(_, spans)| spans.clone()).collect()
}

fn poll(chunks: &mut (impl Stream<Item = io::Result<Bytes>> + Unpin)) -> Option<Bytes> {
    match Pin::new(chunks).poll_next(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(item) => item.map(Result::unwrap),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn a_pooled_program_keeps_its_spans_to_itself() {
    LazyLock::force(&KEPT);
    within(|| {
        let pool = Pool::new(1).chunk_size(1).capacity(1);
        let mut bridges: Vec<_> = (0..3)
            .map(|_| {
                pool.pull(|w| {
                    let request = info_span!("request").entered();
                    for _ in 0..10 {
                        let _line = info_span!("line").entered();
                        let _again = request.enter();
                        info!("pooled, held");
                        w.write_all(b"ab")?;
                        info!("pooled, held");
                    }
                    drop(request);
                    info!("pooled, free");
                    Ok(())
                })
            })
            .collect();
        while !bridges.is_empty() {
            bridges.retain_mut(|bridge| Iterator::next(bridge).is_some());
        }
        let held = spans("pooled, held");
        assert_eq!(held.len(), 60);
        assert!(held.iter().all(|spans| spans == "bridge:request:line"), "{held:?}");
        assert_eq!(spans("pooled, free"), ["bridge"; 3]);
    });
}

#[test]
fn the_host_of_a_local_program_is_in_its_own_spans() {
    LazyLock::force(&KEPT);
    within(|| {
        let mut chunks = Local::new().unbuffered().pull(|w| {
            let _request = info_span!("request").entered();
            for _ in 0..3 {
                info!("local, program");
                w.write_all(b"a")?;
            }
            Ok(())
        });
        chunks.next();
        info!("local, host");
        let own = info_span!("own").entered();
        chunks.next();
        info!("local, host");
        drop(own);
        info!("local, host");
        drop(chunks);
        info!("local, host");
        assert_eq!(spans("local, host"), ["", "own", "", ""]);
        // The program stays in the span in which it was started: its parent is fixed at the start.
        assert_eq!(spans("local, program"), ["request"; 2]);
    });
}

#[test]
fn a_program_may_enter_its_hosts_span() {
    LazyLock::force(&KEPT);
    within(|| {
        for step in 0..3 {
            let host = info_span!("host");
            let entered = host.clone().entered();
            let taken = Span::current();
            let mut chunks = Local::new().unbuffered().pull(move |w| {
                let _entered = taken.enter();
                let _inner = (step > 0).then(|| info_span!("inner").entered());
                let _twice = (step > 1).then(|| taken.enter());
                for _ in 0..3 {
                    info!("second, program {step}");
                    w.write_all(b"a")?;
                }
                Ok(())
            });
            chunks.next();
            info!("second, host in");
            drop(entered);
            info!("second, host out");
            chunks.next();
            info!("second, host out");
            let entered = host.enter();
            chunks.next();
            info!("second, host in");
            chunks.next();
            drop(chunks);
            info!("second, host in");
            drop(entered);
            info!("second, host out");
            let expected = if step > 0 { "host:inner" } else { "host" };
            assert_eq!(spans(&format!("second, program {step}")), [expected; 3]);
        }
        assert!(spans("second, host in").iter().all(|spans| spans == "host"));
        assert!(spans("second, host out").iter().all(String::is_empty));
    });
}

/// A nested program that waits is suspended with the outer program, each with its own spans.
#[test]
fn nested_programs_are_suspended_with_their_spans() {
    LazyLock::force(&KEPT);
    within(|| {
        let (mut writer, mut input) = pipe(64);
        let mut outer = Local::new().pull(move |w| {
            let _outer = info_span!("outer").entered();
            let mut inner = Local::new().unbuffered().pull(move |w| {
                let _inner = info_span!("inner").entered();
                info!("nested, inner");
                let chunk = Iterator::next(&mut input).unwrap()?;
                info!("nested, inner");
                w.write_bytes(chunk)?;
                info!("nested, inner");
                Ok(())
            });
            info!("nested, outer");
            let chunk = Iterator::next(&mut inner).unwrap()?;
            info!("nested, outer");
            w.write_bytes(chunk)?;
            drop(inner);
            info!("nested, outer");
            Ok(())
        });
        assert!(poll(&mut outer).is_none());
        info!("nested, host");
        writer.write_all(b"abc").unwrap();
        assert_eq!(poll(&mut outer).unwrap(), "abc");
        info!("nested, host");
        assert!(poll(&mut outer).is_none());
        drop(outer);
        info!("nested, host");
        assert_eq!(spans("nested, inner")[..2], ["outer:inner"; 2]);
        assert_eq!(spans("nested, outer"), ["outer"; 3]);
        assert_eq!(spans("nested, host"), [""; 3]);
    });
}

/// Many tasks run on one thread, each in its own span, with a program in a span of its own.
#[test]
fn tasks_that_poll_local_programs_keep_their_spans_apart() {
    LazyLock::force(&KEPT);
    within(|| {
        let task = || async {
            let span = info_span!("task");
            let taken = span.clone();
            let mut chunks = Local::new().unbuffered().pull(move |w| {
                let _taken = taken.enter();
                let _own = info_span!("own").entered();
                for _ in 0..10 {
                    info!("tasks, program");
                    w.write_all(b"a")?;
                }
                Ok(())
            });
            while span.in_scope(|| poll(&mut chunks)).is_some() {
                info!("tasks, outside");
                let mut yielded = false;
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    if std::mem::replace(&mut yielded, true) {
                        std::task::Poll::Ready(())
                    } else {
                        std::task::Poll::Pending
                    }
                })
                .await;
            }
        };
        pollster::block_on(futures_util::future::join3(task(), task(), task()));
        assert_eq!(spans("tasks, program"), vec!["task:own"; 30]);
        assert_eq!(spans("tasks, outside"), vec![""; 30]);
    });
}

#[test]
fn a_span_that_is_left_open_is_no_fault() {
    LazyLock::force(&KEPT);
    within(|| {
        let mut chunks = Local::new().unbuffered().pull(|w| {
            let span = info_span!("forgotten");
            std::mem::forget(span.enter());
            w.write_all(b"a")?;
            drop(span);
            w.write_all(b"b")
        });
        while chunks.next().is_some() {
            info!("forgotten, host");
        }
        assert_eq!(spans("forgotten, host"), [""; 2]);
        // A different subscriber at the switch is no error either.
        let own = tracing::Dispatch::new(tracing_subscriber::registry());
        let mut chunks = Local::new().unbuffered().pull(|w| {
            let _span = info_span!("of the first").entered();
            (0..4).try_for_each(|_| w.write_all(b"a"))
        });
        tracing::dispatcher::with_default(&own, || chunks.next());
        chunks.next();
        info!("forgotten, host");
        drop(
            thread::spawn(move || tracing::dispatcher::with_default(&own, || drop(info_span!("other").entered())))
                .join(),
        );
        drop(chunks);
        assert_eq!(spans("forgotten, host"), [""; 3]);
    });
}
