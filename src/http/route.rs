//! Handlers behind one type: axum builds a dozen functions for every type of handler, and ours are
//! fifty.

use std::sync::Arc;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::{self, MethodRouter};
use futures::future::BoxFuture;
use futures::FutureExt;

use crate::app::App;

type Call = dyn Fn(Request, Arc<App>) -> BoxFuture<'static, Response> + Send + Sync;

#[derive(Clone)]
struct Erased(Arc<Call>);

impl Handler<(), Arc<App>> for Erased {
    type Future = BoxFuture<'static, Response>;

    fn call(self, request: Request, app: Arc<App>) -> Self::Future {
        (self.0)(request, app)
    }
}

macro_rules! methods {
    ($($method:ident)*) => {$(
        pub fn $method<T: 'static, H: Handler<T, Arc<App>> + Sync>(
            handler: H,
        ) -> MethodRouter<Arc<App>> {
            let call = move |request, app| handler.clone().call(request, app).boxed();
            routing::$method(Erased(Arc::new(call)))
        }
    )*};
}
methods!(delete get head post put);
