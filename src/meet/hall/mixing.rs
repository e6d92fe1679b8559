//! A room's mixer: when it has one, and what comes of it.

use super::{Hall, Mix, Mixed};
use crate::meet::room::MIX;
use crate::webrtc::Kind;
use crate::webrtc::packets::Packets;
use std::time::Instant;

impl Hall {
    /// Begins, changes or ends a room's mixer, as the room wants it now.
    pub(super) fn mix(&mut self, name: &str, now: Instant) {
        let each = self.settings.mixing.each;
        let Some(place) = self.places.get_mut(name) else { return };
        // A room stays as it was when the first one came: the pages don't expect anything else.
        let each = if place.room.people().len() <= 1 { each } else { place.mixing.is_some_and(|(each, _)| each) };
        let wanted = (each || place.broadcast).then_some((each, place.broadcast));
        if place.mixing == wanted {
            return;
        }
        place.mixing = wanted;
        let mix = match wanted {
            Some((each, public)) => {
                place.stage.mix(Some((place.layout, each)), now);
                Mix::Begin { layout: place.layout, each, public }
            }
            None => {
                place.stage.mix(None, now);
                Mix::End
            }
        };
        place.stage.seat(&place.room, now);
        self.mixes.push_back((name.to_owned(), mix));
    }

    /// A room's mixer has something.
    pub fn mixed(&mut self, name: &str, mixed: Mixed, now: Instant) {
        let Some(place) = self.places.get_mut(name) else { return };
        match mixed {
            Mixed::KeyFrameWanted { person, source } => place.stage.want_key_frame(person, source),
            Mixed::Others { person, number, packet } => place.stage.others(person, number, &packet, now),
            Mixed::Failed => {
                place.broadcast = false;
                let told = place.told(name);
                self.mix(name, now);
                self.tell_all(name, &told);
                self.pair_up(name, now);
            }
        }
        self.settle(now);
    }

    /// An access unit of a room's mixed picture.
    pub fn mixed_picture(&mut self, name: &str, packets: &Packets, now: Instant) {
        let Some(place) = self.places.get_mut(name).filter(|_| packets.kind == Kind::Video) else { return };
        place.stage.camera(MIX, packets, now);
        self.settle(now);
    }
}
