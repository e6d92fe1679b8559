//! Watching a mountpoint of Janus' streaming plugin, by its WebSocket: there it is the server that offers.

use crate::Result;
use crate::caller::Caller;
use crate::client::Target;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// When it closes, Janus ends what is sent.
pub type Line = WebSocketStream<TcpStream>;

pub async fn watch(caller: &mut Caller, target: &Target, mountpoint: u64) -> Result<Line> {
    let mut request = format!("ws://{}{}", target.address, target.path).into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "janus-protocol".parse()?);
    let (mut line, _) = client_async(request, TcpStream::connect(target.address).await?).await?;
    say(&mut line, json!({ "janus": "create" })).await?;
    let session = hear(&mut line, |told| told["janus"] == "success").await?["data"]["id"].take();
    let plugin = "janus.plugin.streaming";
    say(&mut line, json!({ "janus": "attach", "session_id": session, "plugin": plugin })).await?;
    let handle = hear(&mut line, |told| told["janus"] == "success").await?["data"]["id"].take();
    let message = |body| json!({ "janus": "message", "session_id": session, "handle_id": handle, "body": body });
    say(&mut line, message(json!({ "request": "watch", "id": mountpoint }))).await?;
    let told = hear(&mut line, |told| told["jsep"]["sdp"].is_string()).await?;
    let offer = told["jsep"]["sdp"].as_str().ok_or("no offer")?.to_owned();
    let mut start = message(json!({ "request": "start" }));
    start["jsep"] = json!({ "type": "answer", "sdp": caller.answer(offer)? });
    say(&mut line, start).await?;
    Ok(line)
}

async fn say(line: &mut Line, mut message: Value) -> Result<()> {
    message["transaction"] = "load".into();
    Ok(line.send(Message::text(message.to_string())).await?)
}

async fn hear(line: &mut Line, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    loop {
        let Message::Text(text) = line.next().await.ok_or("Janus closed the WebSocket")?? else { continue };
        let told: Value = serde_json::from_str(&text)?;
        if told["janus"] == "error" || told["plugindata"]["data"]["error"].is_string() {
            return Err(format!("Janus says {told}").into());
        }
        if wanted(&told) {
            return Ok(told);
        }
    }
}
