//! `/setup`: what a device that knows nothing of the box gets there, and that it is what HTTPS then needs.

use crate::appliance::Appliance;
use crate::http;
use crate::https::{FromFiles, authority, run};

const STREAM: &str = "[streams.camera]\ninput = { source = \"test\", size = \"320x180\", fps = 15 }\n\
                      [streams.camera.encode]\nvideo_bitrate = \"300k\"\n\
                      [access]\nview = \"account\"\npublish = \"account\"\n";

#[test]
fn a_stranger_gets_the_certificate_over_plain_http_and_trusts_the_box_with_it() {
    let mut box_ = Appliance::start(STREAM);
    let kept = authority(&box_);
    let port = box_.https_address().port();

    let pem = box_.get("/setup/ca.pem");
    assert_eq!(pem.text(), std::fs::read_to_string(&kept).expect("kept"));
    let der = box_.get("/setup/ca");
    assert_eq!(der.header("content-type"), Some("application/x-x509-ca-cert"));
    let file = box_.folder().file("from-setup.crt");
    std::fs::write(&file, &der.body).expect("written");
    let shown = run("openssl", &["x509", "-in", &file, "-inform", "der", "-noout", "-fingerprint", "-sha256"]);
    let shown = String::from_utf8_lossy(&shown.stdout).trim().to_owned();
    let fingerprint = shown.split_once('=').expect("sha256 Fingerprint=…").1.to_owned();

    let page = box_.get("/setup");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains(&fingerprint), "the page shows what openssl shows");
    assert!(page.text().contains(&format!("https://127.0.0.1:{port}/")));
    assert!(!page.text().contains("<script"), "nothing to run");

    let converted = box_.folder().file("from-setup.pem");
    run("openssl", &["x509", "-in", &file, "-inform", "der", "-out", &converted]);
    let url = format!("https://localhost:{port}/setup");
    let trusting = run("curl", &["--silent", "--fail", "--max-time", "20", "--cacert", &converted, &url]);
    assert!(trusting.status.success(), "the certificate is the one that HTTPS needs");

    let profile = box_.get("/setup/ca.mobileconfig");
    assert_eq!(profile.header("content-type"), Some("application/x-apple-aspen-config"));
    let base64: String = pem.text().lines().filter(|line| !line.starts_with("-----")).collect();
    assert!(profile.text().contains(&base64), "the profile carries the certificate");

    let described = box_.get("/api/v1/setup");
    let described: serde_json::Value = serde_json::from_slice(&described.body).expect("JSON");
    assert_eq!(described["fingerprint"], fingerprint);
    assert_eq!(described["setup_address"], serde_json::Value::Null, "this box is for this machine alone");
    let foreign = http::get(box_.address(), "/api/v1/setup", &[("Origin", "http://evil.example")]);
    assert_eq!(foreign.expect("an answer").status, 401);
}

#[test]
fn with_a_certificate_from_files_there_is_nothing_to_install() {
    let FromFiles { box_, .. } = FromFiles::start(STREAM);
    for path in ["/setup", "/setup/ca", "/setup/ca.mobileconfig"] {
        let answer = box_.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("comes from files"), "{path}: {}", answer.text());
    }
}
