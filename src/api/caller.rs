//! Who calls: the identity that a request's token proves, and the address that it comes from.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::ORIGIN;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use super::{Context, Problem};
use crate::auth::accounts::Visitor;
use crate::auth::{Knock, Refusal};
use crate::clock;
use crate::domain::{Identity, Reject, Role, Scope};
use crate::store::read::Viewer;

/// What the request shows of itself, as `auth` wants it.
pub(super) fn knock(head: &RequestHead) -> Knock<'_> {
    let peer = head.peer_addr.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer: SocketAddr| peer.ip());
    Knock { headers: &head.headers, query: head.uri.query().unwrap_or_default(), peer }
}

/// A refusal at the door: a line of the audit log, and the answer.
pub(super) fn refused(context: &Context, head: &RequestHead, refusal: Refusal) -> Problem {
    let origin = head.headers().get(ORIGIN).and_then(|it| it.to_str().ok());
    let address = context.authenticator.client_address(&knock(head));
    context
        .accounts
        .record_refusal(refusal, &Visitor { origin: origin.map(Into::into), ..Visitor::new(address, None) });
    refusal.reject().into()
}

/// A handler that takes this is reached with a good token only.
pub(super) struct Caller(Arc<Identity>);

impl Caller {
    /// For handlers that take no caller, because there are other ways to call them.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let Some(context) = request.app_data::<Data<Context>>() else {
            return Err(Problem::unavailable("The hub is not ready yet"));
        };
        let identity = context.authenticator.identify(&knock(request.head()), clock::now());
        identity.map(Self).map_err(|refusal| refused(context, request.head(), refusal))
    }

    pub(super) fn identity(&self) -> &Arc<Identity> {
        &self.0
    }

    /// Whoever looks at something: somebody of an organization, with a credential that may read.
    pub(super) fn viewer(&self) -> Result<Viewer, Problem> {
        self.0.must_have(Scope::ChatRead)?;
        self.member()
    }

    /// Whoever changes something: somebody of an organization. Whether they may, the hub says.
    pub(super) fn member(&self) -> Result<Viewer, Problem> {
        Viewer::new(&self.0).ok_or_else(|| Reject::no_organization().into())
    }

    pub(super) fn must_be_one_of(&self, roles: &[Role]) -> Result<(), Problem> {
        if roles.contains(&self.0.role) {
            return Ok(());
        }
        let roles: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
        let message = format!("expected the role {}, and yours is {}", roles.join(" or "), self.0.role);
        Err(Reject { message: message.into(), ..Reject::forbidden() }.into())
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}
