//! A peer of the hub for measurements: Socket.IO by socketioxide on axum, with rooms in memory.
//!
//! The token comes with CONNECT. `join_conversation` joins a room, `send_message` says something to the others there, as
//! `message:new`. PORT and JWT_SECRET stand in the environment. It has one thread: with several, an event that follows
//! CONNECT at once can be lost.

use std::env;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::serve::ListenerExt;
use chrono::{SecondsFormat, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};
use socketioxide::extract::{Data, Extension, SocketRef, State};
use socketioxide::handler::ConnectHandler;
use socketioxide::{SocketIo, TransportType};
use tokio::net::TcpSocket;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
struct Auth {
    token: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

#[derive(Deserialize, Serialize)]
struct Join {
    conversation_id: String,
}

#[derive(Deserialize)]
struct Said {
    conversation_id: String,
    text: String,
}

#[derive(Serialize)]
struct New<'a> {
    id: Uuid,
    conversation_id: &'a str,
    user_id: &'a str,
    text: &'a str,
    created_at: String,
}

#[derive(Clone)]
struct User(Arc<str>);

#[derive(Clone)]
struct Key(Arc<(DecodingKey, Validation)>);

async fn bearer(
    socket: SocketRef,
    Data(auth): Data<Auth>,
    State(key): State<Key>,
) -> Result<(), jsonwebtoken::errors::Error> {
    let token = decode::<Claims>(&auth.token, &key.0.0, &key.0.1)?;
    socket.extensions.insert(User(token.claims.sub.into()));
    Ok(())
}

async fn connected(socket: SocketRef) {
    socket.on("join_conversation", async |socket: SocketRef, Data(join): Data<Join>| {
        socket.join(join.conversation_id.clone());
        let _ = socket.emit("joined_conversation", &join);
    });
    socket.on("send_message", async |socket: SocketRef, Data(said): Data<Said>, Extension(user): Extension<User>| {
        if !socket.rooms().iter().any(|room| *room == said.conversation_id) {
            return;
        }
        let new = New {
            id: Uuid::new_v4(),
            conversation_id: &said.conversation_id,
            user_id: &user.0,
            text: &said.text,
            created_at: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        };
        if let Err(error) = socket.to(said.conversation_id.clone()).emit("message:new", &new).await {
            eprintln!("{error}");
        }
    });
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = DecodingKey::from_secret(env::var("JWT_SECRET")?.as_bytes());
    let (layer, io) = SocketIo::builder()
        .transports([TransportType::Websocket])
        .max_buffer_size(4096)
        .ws_read_buffer_size(4096)
        .with_state(Key(Arc::new((key, Validation::new(Algorithm::HS256)))))
        .build_layer();
    io.ns("/", connected.with(bearer));
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, env::var("PORT")?.parse()?)))?;
    // Without this, Nagle's algorithm would hold small events back.
    let listener = socket.listen(4096)?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, axum::Router::new().layer(layer)).await?;
    Ok(())
}
