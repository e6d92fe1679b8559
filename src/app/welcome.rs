//! What the person who starts the box is told: where the page is, and, while the box is nobody's, how to make
//! it theirs and how a phone finds it.

use crate::access::Access;
use crate::config::Config;
use crate::http::Setup;
use crate::state::StateDir;
use crate::system::lan_address;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use tokio::sync::watch;

/// Says where the page is: to the person at the terminal, and in the log.
pub fn announce(address: SocketAddr, config: &Config) {
    let url = url(address);
    let names: Vec<_> = config.streams.keys().map(|name| name.as_str()).collect();
    log::info!("listening on {url} ({})", names.join(", "));
    println!("Watch at {url}");
}

/// Where a box that listens there is found now.
pub fn url(listens: SocketAddr) -> String {
    let host = if listens.ip().is_unspecified() { lan_address().unwrap_or(listens.ip()) } else { listens.ip() };
    format!("http://{}/", SocketAddr::new(host, listens.port()))
}

/// Tells the person at the terminal the box's name, when it is settled and whenever it changes.
pub async fn tell_name(mut name: watch::Receiver<Option<String>>, port: u16) {
    while name.changed().await.is_ok() {
        if let Some(name) = &*name.borrow_and_update() {
            println!("or at http://{name}:{port}/");
        }
    }
}

/// Tells whoever sits at the terminal how to make the box theirs. A log is read by others: it says only
/// where the code stands.
pub fn tell_claim_code(access: &Access, state: &StateDir, setup: &Setup) {
    let Some(code) = access.claim_code() else { return };
    if !io::stdout().is_terminal() {
        log::info!(
            "nobody has claimed this box yet; the code for that stands in {}/claim-code",
            state.path().display()
        );
        return;
    }
    if let Some(page) = setup.lan_url().map(|url| first_page(&url, setup))
        && let Some(picture) = qr(&page)
    {
        println!("\nOn a phone: {page}\n{picture}");
    }
    if let Some(paper) = setup.paper() {
        println!("The box's certificate has the SHA-256 fingerprint\n{}\n", paper.fingerprint());
    }
    println!("Claim this box there with the code {code}");
}

/// Where a device starts: at the certificate, where there is one to trust.
fn first_page(url: &str, setup: &Setup) -> String {
    format!("{url}/{}", if setup.paper().is_some() { "setup" } else { "" })
}

/// A QR code of `text` for a terminal, black on white whatever its colours are.
fn qr(text: &str) -> Option<String> {
    // The shortest: a screen is clean, and a terminal has few lines.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let picture = code.render::<Dense1x2>().quiet_zone(true).build();
    Some(picture.lines().map(|line| format!("\x1b[38;5;16;48;5;231m{line}\x1b[0m\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Trust;

    #[test]
    fn a_qr_code_is_a_square_with_its_three_eyes() {
        let picture = qr("http://192.168.100.200:8080/setup").expect("short enough");
        let rows: Vec<&str> = picture
            .lines()
            .map(|line| line.trim_start_matches("\x1b[38;5;16;48;5;231m").trim_end_matches("\x1b[0m"))
            .collect();
        let width = rows.first().expect("rows").chars().count();
        assert!(rows.iter().all(|row| row.chars().count() == width));
        assert_eq!(rows.len(), width.div_ceil(2), "two modules a character");
        // Four quiet modules, then the top edge of an eye: seven dark ones.
        let eye = rows.get(2).expect("beyond the quiet zone");
        let dark = |c: char| matches!(c, '█' | '▀');
        assert!(eye.chars().skip(4).take(7).all(dark), "{eye}");
        assert!(eye.chars().rev().skip(4).take(7).all(dark), "{eye}");
    }

    #[test]
    fn a_phone_starts_at_the_certificate_where_there_is_one() {
        assert_eq!(first_page("http://192.168.1.9:8080", &Setup::default()), "http://192.168.1.9:8080/");
        let files = Setup { trust: Trust::Files, ..Setup::default() };
        assert_eq!(first_page("http://192.168.1.9:8080", &files), "http://192.168.1.9:8080/");
    }
}
