//! The webhook endpoint that most teams write themselves, to compare bursar with.
//!
//! It verifies the signature, parses the event, and inserts a row into PostgreSQL, where the id
//! keeps repeated deliveries out. What the event means is left for later. It is written the way
//! the documentation of its libraries suggests, neither tuned nor made slow.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::web::{self, Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// As many as deliver: of 16, 32 and 64 the fastest, since commits that meet share a flush.
const POOL_CONNECTIONS: u32 = 64;
const MAX_BODY_BYTES: usize = 1 << 20;
/// The benchmark signs all deliveries before the first measurement.
const TOLERANCE_SECONDS: u64 = 86_400;

const CREATE_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS events (
        id text PRIMARY KEY,
        type text NOT NULL,
        created bigint NOT NULL,
        account text,
        body jsonb NOT NULL
    )";
const INSERT: &str = "
    INSERT INTO events (id, type, created, account, body) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING";

type Error = Box<dyn std::error::Error>;

struct Service {
    pool: PgPool,
    secret: String,
}

/// Arguments: the database's URL and the signing secret. Prints its address; ends with its stdin.
#[actix_web::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(database), Some(secret)) = (arguments.next(), arguments.next()) else {
        return Err("usage: homegrown DATABASE_URL SECRET".into());
    };
    let pool = PgPoolOptions::new().max_connections(POOL_CONNECTIONS).connect(&database).await?;
    sqlx::query(CREATE_TABLE).execute(&pool).await?;
    let service = Data::new(Service { pool, secret });
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let app = move || {
        App::new()
            .app_data(service.clone())
            .app_data(PayloadConfig::new(MAX_BODY_BYTES))
            .route("/webhooks/stripe", web::post().to(receive))
    };
    let server = HttpServer::new(app).disable_signals().listen(listener)?.run();
    let control = server.handle();
    actix_web::rt::spawn(async move {
        web::block(|| std::io::stdin().read_to_end(&mut Vec::new())).await.ok();
        control.stop(true).await;
    });
    Ok(server.await?)
}

async fn receive(request: HttpRequest, body: Bytes, service: Data<Service>) -> HttpResponse {
    let header = request.headers().get("stripe-signature").and_then(|value| value.to_str().ok());
    if !header.is_some_and(|header| is_genuine(header, &body, &service.secret)) {
        return HttpResponse::BadRequest().finish();
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    match insert(&event, &service.pool).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

async fn insert(event: &Value, pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT)
        .bind(event["id"].as_str())
        .bind(event["type"].as_str())
        .bind(event["created"].as_i64())
        .bind(event["account"].as_str())
        .bind(event)
        .execute(pool)
        .await?;
    Ok(())
}

fn is_genuine(header: &str, body: &[u8], secret: &str) -> bool {
    let value = |name: &str| {
        let mut items = header.split(',').filter_map(|item| item.split_once('='));
        items.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let (Some(time), Some(signature)) = (value("t"), value("v1")) else { return false };
    let (Ok(seconds), Ok(signature)) = (time.parse::<u64>(), hex::decode(signature)) else {
        return false;
    };
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.verify_slice(&signature).is_ok() && now().abs_diff(seconds) <= TOLERANCE_SECONDS
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
