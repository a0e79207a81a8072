//! What is the same for all protocols that front servers speak.

/// Implements [`Protocol`](crate::host::Protocol) for a type that has a field `accept`. `$link` is the state of a
/// connection.
macro_rules! front_protocol {
    ($protocol:ty, $link:ident) => {
        #[allow(private_interfaces, reason = "sealed: other crates do not call it")]
        impl crate::host::protocol::Fronted for $protocol {
            fn accept(&mut self) -> &mut crate::host::responder::Accept {
                &mut self.accept
            }
        }

        impl crate::host::protocol::sealed::Sealed for $protocol {}

        #[allow(private_interfaces, reason = "sealed: other crates do not call it")]
        impl crate::host::protocol::Protocol for $protocol {
            const TRUSTS: bool = true;

            async fn serve<S, R>(
                stream: crate::host::stream::Stream,
                service: S,
                host: std::rc::Rc<crate::host::server::Host<$protocol>>,
            ) where
                S: tower_service::Service<http::Request<crate::host::RequestBody>, Response = http::Response<R>>
                    + Clone
                    + 'static,
                S::Error: Into<crate::host::protocol::Failure>,
                R: http_body::Body<Data = bytes::Bytes> + 'static,
                R::Error: Into<crate::host::protocol::Failure>,
            {
                let open = |wire| $link::new(wire, service, host.clone());
                crate::host::responder::serve(stream, &host, open).await;
            }

            /// Does nothing: a front server cannot be answered before it has begun a request.
            fn refuse(&self, _: &crate::host::stream::Stream) {}
        }
    };
}

pub(in crate::host) use front_protocol;
