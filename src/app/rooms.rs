//! Rooms, where the configuration wants them and there are real-time connections.

use crate::config::{Config, RoomLayout, RoomMode};
use crate::control::Control;
use crate::meet::message::IceServer;
use crate::meet::{Mixing, Rooms, Settings, digest};
use crate::mix::Layout;
use crate::webrtc;
use std::sync::Arc;

/// What a browser's Opus takes at its best for voices, bits a second.
const AUDIO_BPS: u32 = 64_000;

/// Opens the rooms; `None`: there are none. Needs a tokio runtime.
pub async fn open(server: &webrtc::Server, config: &Config, control: &Arc<Control>) -> Option<Arc<Rooms>> {
    let rooms = Some(&config.rooms).filter(|rooms| rooms.enabled)?;
    let branch = server.branch().await?;
    let ice_server = |url: &String| {
        let login = config.webrtc.turn.as_ref().filter(|_| url.starts_with("turn"));
        IceServer {
            urls: vec![url.clone()],
            username: login.map(|login| login.username.clone()),
            credential: login.map(|login| login.credential.clone()),
        }
    };
    let settings = Settings {
        max_rooms: rooms.max_rooms,
        max_people: rooms.max_people,
        video_bps: rooms.video_bitrate_bps,
        audio_bps: AUDIO_BPS,
        password: rooms.password.as_ref().map(|password| digest(password.as_bytes())),
        host_password: rooms.host_password.as_ref().map(|password| digest(password.as_bytes())),
        peer_to_peer: rooms.peer_to_peer,
        mixing: Mixing {
            each: rooms.mode == RoomMode::Mix,
            broadcast: rooms.broadcast,
            layout: match rooms.layout {
                RoomLayout::Grid => Layout::Grid,
                RoomLayout::Speaker => Layout::Speaker,
            },
        },
        ice_servers: config.webrtc.ice_servers.iter().map(ice_server).collect(),
    };
    let (rooms, running) = Rooms::new(branch, settings, Arc::clone(control));
    tokio::spawn(running);
    Some(Arc::new(rooms))
}
