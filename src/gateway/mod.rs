//! The gateway: one public address in front of hubs on an inner network.

pub mod tunnel;
