//! What is replaced while the box runs, under a player that must notice nothing: certificates and the
//! configuration.

use crate::admin::{access, send, sign_in};
use crate::appliance::{Appliance, Folder, PATIENCE, wait_until};
use crate::http::parse;
use crate::https::{FromFiles, authority};
use crate::network::{Lan, done};
use crate::steady::{Over, play};
use crate::tls;

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n\
    [streams.camera.encode]\nvideo_bitrate = \"300k\"\n";

#[test]
fn a_player_over_https_plays_on_while_the_certificate_is_replaced() {
    let FromFiles { mut box_, certificate, key, first: (first, _), second: (second, second_key) } =
        FromFiles::start(STREAM);
    box_.wait_for_segments("camera", 1);
    let address = box_.https_address();
    let (both, new_one) = (tls::client(&[&first, &second], &[]), tls::client(&[&second], &[]));
    let over = &Over::default();
    let played = std::thread::scope(|scope| {
        let ends = over.at_last();
        // A new connection for each request: before, in between and after.
        let get = |path: &str| tls::get(&both, address, path).expect("an answer");
        let player = scope.spawn(move || play(get, "camera", over));
        assert!(tls::connect(&new_one, address).is_err(), "the first one is in use");
        std::fs::copy(&second, &certificate).expect("copied");
        std::fs::copy(&second_key, &key).expect("copied");
        wait_until("the new certificate", PATIENCE, || tls::connect(&new_one, address).is_ok());
        drop(ends);
        player.join().expect("the player goes on")
    });
    println!("{played:?}");
    played.is_steady(3);
}

#[test]
fn a_player_over_https_plays_on_while_the_box_gets_an_address_and_a_certificate_with_it() {
    let lan = Lan::new();
    let machine = lan.machine("attic", 1);
    let mut box_ =
        Appliance::start_by(machine.command(crate::appliance::PROGRAM), Folder::new(), "0.0.0.0:8080", STREAM);
    box_.https_address();
    let authority = authority(&box_);
    let curl = |address: &str, path: &str| {
        let mut curl = machine.command("curl");
        let url = format!("https://{address}:8443{path}");
        curl.args([
            "--silent",
            "--show-error",
            "--include",
            "--http1.1",
            "--max-time",
            "20",
            "--cacert",
            &authority,
            &url,
        ]);
        curl
    };
    wait_until("the stream", PATIENCE, || {
        let answer = done(&mut curl("10.55.0.1", "/camera/index.m3u8")).stdout;
        parse(&answer, false).is_ok_and(|answer| answer.status == 200)
    });
    assert!(!curl("10.55.0.77", "/").output().expect("curl starts").status.success());
    let over = &Over::default();
    let played = std::thread::scope(|scope| {
        let ends = over.at_last();
        let get = |path: &str| parse(&done(&mut curl("10.55.0.1", path)).stdout, false).expect("HTTP");
        let player = scope.spawn(move || play(get, "camera", over));
        done(machine.command("ip").args("address add 10.55.0.77/24 dev eth0".split(' ')));
        wait_until("a certificate for the new address", PATIENCE, || {
            curl("10.55.0.77", "/api/v1/time").output().expect("curl starts").status.success()
        });
        drop(ends);
        player.join().expect("the player goes on")
    });
    println!("{played:?}");
    played.is_steady(3);
}

#[test]
fn a_player_plays_on_while_the_configuration_changes_another_stream() {
    let config = |bitrate: usize| {
        format!(
            "{}{STREAM}[streams.desk]\ninput = {{ source = \"test\", size = \"320x180\", fps = 15 }}\n\
            [streams.desk.encode]\nvideo_bitrate = \"{bitrate}k\"\n",
            access()
        )
    };
    let box_ = Appliance::start(&config(300));
    box_.wait_for_segments("camera", 1);
    let cookie = sign_in(&box_);
    let told = box_.folder().file("capturebox.toml");
    let over = &Over::default();
    let played = std::thread::scope(|scope| {
        let ends = over.at_last();
        let player = scope.spawn(|| play(|path| box_.get(path), "camera", over));
        for bitrate in [400, 500, 600] {
            let text = std::fs::read_to_string(&told).expect("its file");
            let (http, _) = text.split_once("[access]").expect("a section");
            let wanted = serde_json::json!({ "toml": format!("{http}{}", config(bitrate)) });
            let answer = send(&box_, "PUT", "/api/v1/config", &cookie, &wanted.to_string());
            assert_eq!(answer.status, 200, "{}", answer.text());
            let replaced: serde_json::Value = serde_json::from_str(answer.text()).expect("JSON");
            assert_eq!(replaced["unchanged"], serde_json::json!(["camera"]));
            assert_eq!(replaced["restarted"], serde_json::json!(["desk"]));
            box_.wait_for_segments("desk", 1);
        }
        drop(ends);
        player.join().expect("the player goes on")
    });
    println!("{played:?}");
    played.is_steady(5);
}
