//! A path of the API and what can be done with it; everything else is answered with what could be.

use actix_web::dev::{AppService, Handler, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, Route, web};

use super::problem;

/// A path, with a handler for each of its methods. Where GET works, HEAD does.
pub(crate) struct Place {
    pub(crate) path: String,
    routes: Vec<(Method, Route)>,
}

/// The place at `path`, in the way of actix: `/rooms/{id}`.
pub(crate) fn at(path: &str) -> Place {
    Place { path: path.to_owned(), routes: Vec::new() }
}

impl Place {
    pub(crate) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args> + Clone,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, web::get(), handler.clone()).on(Method::HEAD, web::head(), handler)
    }

    pub(crate) fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, web::post(), handler)
    }

    pub(crate) fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PUT, web::put(), handler)
    }

    pub(crate) fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::DELETE, web::delete(), handler)
    }

    fn on<F, Args>(mut self, method: Method, route: Route, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.routes.push((method, route.to(handler)));
        self
    }
}

impl HttpServiceFactory for Place {
    fn register(self, config: &mut AppService) {
        let names: Vec<_> = self.routes.iter().map(|(method, _)| method.as_str()).collect();
        let allow = names.join(", ");
        let otherwise = move |request: HttpRequest| {
            let answer = other_method(&request, &allow);
            async move { answer }
        };
        let resource = self.routes.into_iter().fold(web::resource(self.path), |all, (_, route)| all.route(route));
        resource.default_service(web::to(otherwise)).register(config);
    }
}

fn other_method(request: &HttpRequest, allow: &str) -> HttpResponse {
    let mut response = match *request.method() {
        Method::OPTIONS => HttpResponse::NoContent().finish(),
        _ => problem::other_method(request.method(), allow),
    };
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}
