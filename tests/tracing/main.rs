//! The span of each bridge: its program runs in the span, and the span records how the bridge ended.
#![cfg(feature = "tracing")]

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use pushpull::{Local, Pool, Thread};
use pushpull_testing::watchdog::within;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A subscriber that keeps all spans, and the span of each event.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    spans: Vec<Fields>,
    closed: Vec<u64>,
    events: Vec<(Option<u64>, Fields)>,
    /// The spans that each thread has entered.
    entered: HashMap<std::thread::ThreadId, Vec<u64>>,
}

#[derive(Default, Clone)]
struct Fields(HashMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Subscriber for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("pushpull") || metadata.target() == "tracing"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut state = self.0.lock();
        state.spans.push(fields);
        Id::from_u64(state.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut self.0.lock().spans[span.into_u64() as usize - 1]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut state = self.0.lock();
        let entered = state.entered.get(&std::thread::current().id()).and_then(|spans| spans.last()).copied();
        state.events.push((event.parent().map(Id::into_u64).or(entered), fields));
    }

    fn enter(&self, span: &Id) {
        let mut state = self.0.lock();
        state.entered.entry(std::thread::current().id()).or_default().push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut state = self.0.lock();
        let left = state.entered.get_mut(&std::thread::current().id()).and_then(Vec::pop);
        assert_eq!(left, Some(span.into_u64()), "spans nest");
    }

    fn try_close(&self, span: Id) -> bool {
        self.0.lock().closed.push(span.into_u64());
        true
    }
}

#[test]
fn each_bridge_has_a_span_with_its_name_engine_and_end() {
    let kept = Kept::default();
    tracing::subscriber::set_global_default(kept.clone()).unwrap();
    within(move || {
        let program = |w: &mut dyn Write| {
            tracing::info!("inside");
            (0..10).try_for_each(|_| w.write_all(b"abcd"))
        };
        drop(Thread::new().pull(|_| Ok(())));
        assert!(kept.0.lock().spans.is_empty(), "a bridge that never started has a span");
        let engines = [
            Thread::new().name("one").capacity(8).pull(move |w| program(w)),
            Pool::new(1).name("two").capacity(8).pull(move |w| program(w)),
        ];
        engines.into_iter().for_each(|chunks| {
            let mut chunks = chunks;
            while chunks.next().is_some() {}
            chunks.join();
        });
        Local::new().name("three").pull(move |w| program(w)).for_each(drop);
        Pool::new(1).push(|_| Err::<(), _>(std::io::ErrorKind::StorageFull.into())).finish().unwrap_err();
        let state = kept.0.lock();
        let field = |span: usize, name| state.spans[span].0.get(name).map(String::as_str);
        for (span, (engine, name)) in [("thread", "one"), ("pool", "two"), ("local", "three")].into_iter().enumerate() {
            assert_eq!((field(span, "engine"), field(span, "name")), (Some(engine), Some(name)));
            assert_eq!((field(span, "outcome"), field(span, "bytes")), (Some("finished"), Some("40")));
            // On the thread that pulls, the program runs in the reader's own span.
            let inside = state.events.iter().filter(|(at, event)| {
                event.0["message"] == "inside" && *at == (engine != "local").then_some(span as u64 + 1)
            });
            assert_eq!(inside.count(), 1, "{engine}");
            assert!(
                state.events.iter().any(|(at, event)| *at == Some(span as u64 + 1) && event.0["message"] == "ended")
            );
        }
        assert_eq!((field(3, "outcome"), field(3, "name")), (Some("failed"), None));
        assert_eq!(state.spans.len(), 4);
    });
}
