//! Two people alone in a room, led to each other where the configuration wants it. How that goes, `direct` knows.

use super::Hall;
use crate::meet::direct::Tells;
use std::time::Instant;

impl Hall {
    /// Looks who is alone with somebody now.
    pub(super) fn pair_up(&mut self, name: &str, now: Instant) {
        let Some(place) = self.places.get_mut(name) else { return };
        let alone = if self.settings.peer_to_peer && place.mixing.is_none() && place.room.cameras().is_empty() {
            place.room.pair()
        } else {
            None
        };
        let tells = place.direct.see(alone, now);
        self.lead(name, tells, now);
    }

    /// Says what there is to say to the two; who has the other's media without the box is sent none.
    pub(super) fn lead(&mut self, name: &str, tells: Tells, now: Instant) {
        for (who, told) in tells {
            let line = self.places.get(name).and_then(|place| place.room.person(who)?.line);
            if let Some(line) = line {
                self.say(line, &told);
            }
        }
        if let Some(place) = self.places.get_mut(name)
            && place.stage.set_direct(place.direct.plays())
        {
            place.stage.seat(&place.room, now);
        }
    }
}
