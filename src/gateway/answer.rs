//! The body of an upstream's answer, on its way to the client.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::web::{Bytes, Data};
use futures_util::Stream;
use futures_util::future::LocalBoxFuture;

use super::exchange::Exchange;
use super::http::left;
use super::metrics::Failure;
use super::pool::Lease;
use super::{Gateway, idle, sticky};
use crate::transport::caller::{Caller, Kept};

/// Ends with an error where the upstream does, so that a client never takes a part for the whole. Dropped before its end
/// it closes the connection to the upstream, which then need not go on.
pub(super) struct AnswerBody {
    gateway: Data<Gateway>,
    /// `None`: it has ended.
    exchange: Option<Exchange>,
    /// To be told once what came before it has been written.
    failure: Option<io::Error>,
    lease: Lease,
    lost: LocalBoxFuture<'static, ()>,
    left: LocalBoxFuture<'static, ()>,
    /// Its first piece names a session.
    names_session: bool,
    _kept: Kept,
}

impl AnswerBody {
    pub(super) fn new(gateway: &Data<Gateway>, exchange: Exchange, lease: Lease, caller: Caller, kept: Kept) -> Self {
        Self {
            gateway: gateway.clone(),
            exchange: Some(exchange),
            failure: None,
            lost: Box::pin(lease.lost()),
            left: Box::pin(async move { left(&caller).await }),
            lease,
            names_session: false,
            _kept: kept,
        }
    }

    pub(super) fn reading_session(mut self) -> Self {
        self.names_session = true;
        self
    }

    /// The HTTP stack throws away what it has not written yet as soon as it hears of an error, so it hears of it a turn later.
    fn fail(&mut self, failure: Failure, error: io::Error, cx: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.exchange = None;
        self.gateway.metrics.count(failure);
        if failure == Failure::UpstreamLost {
            log::warn!("{} ended within an answer: {error}", self.lease.upstream().url());
            self.lease.failed();
        }
        self.failure = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Stream for AnswerBody {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(error) = this.failure.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(exchange) = &mut this.exchange else { return Poll::Ready(None) };
        match exchange.poll_piece(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                if std::mem::take(&mut this.names_session)
                    && let Some(sid) = sticky::opened(&piece)
                {
                    this.gateway.pool.note_sid(sid, this.lease.upstream());
                }
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(None) => {
                if let Some(stream) = this.exchange.take().and_then(Exchange::into_idle) {
                    idle::put(this.lease.upstream(), stream);
                }
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => this.fail(Failure::UpstreamLost, error, cx),
            Poll::Pending if this.lost.as_mut().poll(cx).is_ready() => {
                this.fail(Failure::UpstreamLost, ErrorKind::TimedOut.into(), cx)
            }
            Poll::Pending if this.left.as_mut().poll(cx).is_ready() => {
                this.fail(Failure::ClientLost, ErrorKind::ConnectionAborted.into(), cx)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
