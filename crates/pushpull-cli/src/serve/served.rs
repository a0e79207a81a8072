//! What the server serves now. It can be replaced while requests run.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as HttpBody;
use pushpull_gateway::{Body, Mounts};
use tokio::time::timeout;
use tower_service::Service;

use super::app::App;

/// A service that passes requests to the applications of now. Clones share them.
#[derive(Clone)]
pub struct Served(Arc<Inner>);

struct Inner {
    now: RwLock<Generation>,
    /// What was served before, and still runs.
    retired: Mutex<Vec<Generation>>,
    /// `true` after a stop. Locked while other applications are started, so that a stop finds them too.
    has_stopped: tokio::sync::Mutex<bool>,
}

/// What is served from one replacement to the next. Each request that waits for its response holds one reference.
type Generation = Arc<Mounts<App>>;

impl Served {
    pub fn new(apps: Mounts<App>) -> Served {
        Served(Arc::new(Inner {
            now: RwLock::new(Arc::new(apps)),
            retired: Mutex::default(),
            has_stopped: false.into(),
        }))
    }

    /// Starts other applications, and serves further requests with them. Requests that run keep theirs.
    ///
    /// # Errors
    ///
    /// Returns the error of `start`, which is not called after a stop.
    pub fn replace(&self, start: impl FnOnce() -> Result<Mounts<App>, String>) -> Result<(), String> {
        let has_stopped = self.0.has_stopped.blocking_lock();
        if *has_stopped {
            return Err("the server is stopping".to_owned());
        }
        let apps = start()?;
        let mut retired = self.0.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = self.0.now.write().unwrap_or_else(PoisonError::into_inner);
        retired.push(mem::replace(&mut now, Arc::new(apps)));
        Ok(())
    }

    /// Stops applications that were replaced and for which nothing runs, and drops those whose workers have ended. Returns
    /// `true` if there are others.
    pub fn drop_idle(&self) -> bool {
        let mut retired = self.0.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.retain(|apps| {
            let is_idle = Arc::strong_count(apps) == 1 && apps.services().all(|app| app.load() == (0, 0));
            // A worker may work on after its last response.
            apps.services().filter(|_| is_idle).for_each(App::stop);
            !(is_idle && apps.services().all(App::has_ended))
        });
        !retired.is_empty()
    }

    /// Returns how many programs may run, how many do, and how many requests wait for one to end.
    pub fn load(&self) -> (usize, usize, usize) {
        let max = self.now().services().map(App::max_programs).fold(0, usize::saturating_add);
        let loads = self.all().into_iter().map(|app| app.load());
        let (running, waiting) = loads.fold((0, 0), |sum, load| (sum.0 + load.0, sum.1 + load.1));
        (max, running, waiting)
    }

    /// Stops everything that runs, and waits for it. Programs that work on after their response have until `left` is
    /// over.
    pub async fn stop(self, left: Duration) {
        *self.0.has_stopped.lock().await = true;
        let apps = self.all();
        let stopped = async || {
            for app in &apps {
                app.stopped().await;
            }
        };
        let _ = timeout(left, stopped()).await;
        apps.iter().for_each(App::stop);
        stopped().await;
        for app in &apps {
            app.ended().await;
        }
    }

    fn now(&self) -> Generation {
        self.0.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn all(&self) -> Vec<App> {
        let retired = self.0.retired.lock().unwrap_or_else(PoisonError::into_inner);
        retired.iter().chain([&self.now()]).flat_map(|apps| apps.services().cloned()).collect()
    }
}

impl<B> Service<Request<B>> for Served
where
    B: HttpBody + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let now = self.now();
        Box::pin(async move {
            // Until the program counts as running, the reference keeps its application.
            let response = Mounts::clone(&now).call(request).await;
            drop(now);
            response
        })
    }
}
