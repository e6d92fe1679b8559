//! What tells a box from every other one, whatever they are called.

use crate::state::{StateDir, StateError};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// In the state folder: random bytes, in hex.
const FILE: &str = "box-id";
const RANDOM_BYTES: usize = 16;
/// Bytes of the id; it stands in names, which have room for 63 characters.
const ID_BYTES: usize = 8;
/// More network interfaces than any box has.
const MAX_INTERFACES: usize = 64;

/// The same at each start of the same box. Boxes from copies of one card have ids of their own, because the
/// network card counts too.
pub fn box_id(state: &StateDir) -> Result<String, StateError> {
    let random = match state.read(FILE)? {
        Some(kept) => kept,
        None => {
            let mut bytes = [0; RANDOM_BYTES];
            // Without randomness the network card alone must do.
            if let Err(error) = getrandom::fill(&mut bytes) {
                log::warn!("no randomness for the box's id: {error}");
            }
            let new = hex(&bytes).into_bytes();
            state.write(FILE, &new)?;
            new
        }
    };
    Ok(id(&random, &hardware_address(Path::new("/sys/class/net"))))
}

fn id(random: &[u8], hardware_address: &str) -> String {
    let digest = Sha256::new().chain_update(random).chain_update("\n").chain_update(hardware_address).finalize();
    hex(digest.get(..ID_BYTES).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// That of the first network card that is one (and no bridge or tunnel); empty where there is none.
fn hardware_address(interfaces: &Path) -> String {
    let entries = fs::read_dir(interfaces).into_iter().flatten().filter_map(Result::ok).take(MAX_INTERFACES);
    let cards = entries.map(|entry| entry.path()).filter(|path| path.join("device").exists());
    let addresses = cards.filter_map(|path| fs::read_to_string(path.join("address")).ok());
    addresses.min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_one_card_are_two_boxes() {
        let ids = [id(b"a", "02:00:00:00:00:01\n"), id(b"a", "02:00:00:00:00:02\n"), id(b"b", "02:00:00:00:00:01\n")];
        assert!(ids.iter().all(|id| id.len() == 2 * ID_BYTES), "{ids:?}");
        assert!(ids[0] != ids[1] && ids[0] != ids[2], "{ids:?}");
        assert_eq!(id(b"a", "02:00:00:00:00:01\n"), ids[0], "the same at each start");
    }

    #[test]
    fn the_card_with_the_first_address_counts_and_bridges_do_not() {
        let folder = std::env::temp_dir().join(format!("capturebox-net-{}", std::process::id()));
        for (name, address, card) in
            [("docker0", "02:00\n", false), ("eth0", "b8:27\n", true), ("wlan0", "dc:a6\n", true)]
        {
            let interface = folder.join(name);
            fs::create_dir_all(&interface).expect("a folder");
            fs::write(interface.join("address"), address).expect("a file");
            if card {
                fs::create_dir_all(interface.join("device")).expect("a folder");
            }
        }
        let (found, none) = (hardware_address(&folder), hardware_address(&folder.join("nowhere")));
        let _ = fs::remove_dir_all(&folder);
        assert_eq!((found.as_str(), none.as_str()), ("b8:27\n", ""));
    }
}
