//! Apps as services, on every engine.

/// Defines a test once and runs it on every engine.
macro_rules! on_every_engine {
    ($($(#[doc = $doc:literal])* fn $name:ident($engine:ident) $body:block)*) => {$(
        $(#[doc = $doc])*
        mod $name {
            #[allow(unused_imports, reason = "each module uses its own part")]
            use super::*;

            #[test]
            fn on_local() {
                pushpull_testing::watchdog::within(|| {
                    let $engine = pushpull::Local::new();
                    $body
                });
            }

            #[test]
            fn on_thread() {
                pushpull_testing::watchdog::within(|| {
                    let $engine = pushpull::Thread::new();
                    $body
                });
            }

            #[test]
            fn on_pool() {
                pushpull_testing::watchdog::within(|| {
                    let $engine = pushpull::Pool::new(1);
                    $body
                });
            }
        }
    )*};
}

mod answers;
mod client;
mod ending;
mod environ;
mod layers;
mod redirects;
mod streaming;
