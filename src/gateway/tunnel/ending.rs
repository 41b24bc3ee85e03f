//! How tunnels end: who is told what, and which connection is closed first.

use std::future::poll_fn;
use std::time::Duration;

use futures_util::future::join;
use tokio::time::timeout;

use super::pump::{End, Pump};
use super::{Direction, log_end};
use crate::clock;
use crate::domain::CloseReason;
use crate::gateway::metrics::{Failure, GatewayMetrics};
use crate::transport::ws::writer::{close_echo, close_frame};

/// How long an upstream has for its last words when its client has ended its side of the connection.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a tunnel ends that neither side has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// The gateway is ending.
    Drained,
    /// The upstream does not answer any more, though its connection is there.
    UpstreamLost,
}

pub async fn end(mut pump: Pump, end: Result<End, Told>, metrics: &GatewayMetrics) {
    let by_client = matches!(end, Ok(End::ClientDone | End::ClientGone));
    if by_client && pump.watch.farewell().is_none() && pump.relay.farewell().is_none() {
        metrics.count(Failure::ClientLost);
    }
    if pump.watch.is_lost() {
        metrics.count(Failure::Protocol);
    }
    log_end(if by_client { Direction::ClientToBackend } else { Direction::BackendToClient });
    match end {
        Ok(End::ClientDone) => {
            // A client that only reads on still gets its answer, as it would without a gateway.
            if let Ok(End::UpstreamDone) = timeout(LAST_WORDS, poll_fn(|cx| pump.poll(cx))).await {
                pump.client.part(&[]).await;
            }
        }
        Ok(End::ClientGone) => drop(pump),
        Ok(End::UpstreamDone) | Err(Told::UpstreamLost) => upstream_gone(pump, metrics).await,
        Ok(End::UpstreamWrong) => {
            metrics.count(Failure::Protocol);
            let to_client = last_words(&pump, CloseReason::Internal);
            let to_upstream = masked_close(CloseReason::ProtocolError).unwrap_or_default();
            let between = pump.watch.is_between_frames() && pump.to_upstream.rest().is_empty();
            part_both(pump, to_client, if between { to_upstream } else { Vec::new() }).await;
        }
        Err(Told::Drained) => {
            let to_client = last_words(&pump, CloseReason::Restarting);
            // No goodbye in the client's name: it comes back, and nobody else is to see it go.
            let to_upstream = pump.to_upstream.rest().to_vec();
            part_both(pump, to_client, to_upstream).await;
        }
    }
    log_end(if by_client { Direction::BackendToClient } else { Direction::ClientToBackend });
}

async fn upstream_gone(pump: Pump, metrics: &GatewayMetrics) {
    if pump.relay.farewell().is_none() {
        metrics.count(Failure::UpstreamLost);
    }
    let last = last_words(&pump, CloseReason::Restarting);
    let Pump { client, upstream, .. } = pump;
    drop(upstream);
    client.part(&last).await;
}

/// What the client has not taken yet, which ends with a whole frame, and a Close frame unless it has got one.
fn last_words(pump: &Pump, reason: CloseReason) -> Vec<u8> {
    let mut last = pump.to_client.rest().to_vec();
    match (pump.relay.farewell(), pump.watch.farewell()) {
        (Some(_), _) => {}
        // It has taken its leave, and nobody else is there to answer.
        (None, Some(farewell)) => last.extend_from_slice(&close_echo(farewell.code)),
        (None, None) => last.extend_from_slice(&close_frame(reason)),
    }
    last
}

async fn part_both(pump: Pump, to_client: Vec<u8>, to_upstream: Vec<u8>) {
    let Pump { client, upstream, .. } = pump;
    join(client.part(&to_client), upstream.part(&to_upstream)).await;
}

/// A Close frame as clients send them. `None`: there is no randomness for its mask.
fn masked_close(reason: CloseReason) -> Option<Vec<u8>> {
    let mask = clock::random::<4>()?;
    let mut frame = close_frame(reason).to_vec();
    frame[1] |= 0x80;
    for (byte, mask) in frame[2..].iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    frame.splice(2..2, mask);
    Some(frame)
}
