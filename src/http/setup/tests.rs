use super::*;

fn setup() -> Setup {
    let paper = Paper { common_name: "box <1>".into(), der: b"abcdef".to_vec(), pem: "-----BEGIN\n".to_owned() };
    let at = |port| Some(SocketAddr::from(([0, 0, 0, 0], port)));
    Setup { trust: Trust::Own(paper), http: at(8080), https: at(8443) }
}

fn page(authority: Option<&str>, agent: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_str(agent).expect("a value"));
    let Setup { trust: Trust::Own(paper), .. } = setup() else { panic!("its own") };
    let response = setup().page(&paper, authority, &headers);
    assert_eq!(response.status(), StatusCode::OK);
    response.body().text()
}

#[test]
fn the_page_names_the_address_that_it_was_asked_at_and_escapes_what_it_names() {
    let page = page(Some("box.local:8080"), "");
    assert!(page.contains("href=\"https://box.local:8443/\""), "{page}");
    assert!(page.contains("curl -o capturebox.crt http://box.local:8080/setup/ca.pem"));
    assert!(page.contains("box &lt;1&gt;") && !page.contains("box <1>"));
    assert!(page.contains(&setup().paper().expect("its own").fingerprint()));
    let holes: Vec<_> = SYSTEMS.iter().chain(&["name", "https", "address", "fingerprint"]).collect();
    assert!(holes.iter().all(|hole| !page.contains(&format!("{{{hole}}}"))), "every hole is filled");
}

#[test]
fn what_came_from_outside_does_not_get_into_the_page() {
    for evil in ["\"><script>", "a b", "", &"a".repeat(300), "box/../x", "user@box"] {
        let page = page(Some(evil), "");
        assert!(evil.is_empty() || !page.contains(&format!("//{evil}")), "{evil}");
    }
    assert!(page(Some("[fe80::1]:8080"), "").contains("https://[fe80::1]:8443/"));
    assert!(page(Some("[fe80::1]"), "").contains("https://[fe80::1]:8443/"));
}

#[test]
fn the_guide_for_the_device_that_asks_is_open() {
    let table = [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Safari/604", Some("iPhone, iPad")),
        ("Mozilla/5.0 (Linux; Android 15; Pixel 8) Chrome/140 Mobile", Some("Android")),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140 Edg/140", Some("Windows")),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605", Some("Mac")),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/140", Some("Linux")),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Some("Firefox, on any computer")),
        ("curl/8", None),
    ];
    for (agent, title) in table {
        let page = page(None, agent);
        let open = page.split_once("<details open>\n<summary>").map(|(_, rest)| rest);
        assert_eq!(open.and_then(|rest| rest.split('<').next()), title, "{agent}");
        assert_eq!(page.matches("<details open>").count(), usize::from(title.is_some()), "{agent}");
    }
}

#[test]
fn each_file_has_its_type_and_nothing_else_is_there() {
    let none = HeaderMap::new();
    for (path, kind) in [
        ("", "text/html; charset=utf-8"),
        ("ca", "application/x-x509-ca-cert"),
        ("ca.pem", "application/x-pem-file"),
        ("ca.mobileconfig", "application/x-apple-aspen-config"),
    ] {
        let response = setup().respond(path, None, &none);
        assert_eq!(
            (response.status(), &response.headers()[CONTENT_TYPE]),
            (StatusCode::OK, &kind.parse().expect("a value"))
        );
    }
    for path in ["ca.key", "authority.json", "ca/", "../authority.json"] {
        assert_eq!(setup().respond(path, None, &none).status(), StatusCode::NOT_FOUND, "{path}");
    }
    for (trust, word) in [(Trust::Files, "comes from files"), (Trust::NoHttps, "HTTPS")] {
        for path in ["", "ca", "ca.mobileconfig"] {
            let response = Setup { trust: trust.clone(), ..setup() }.respond(path, None, &none);
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            assert!(response.body().text().contains(word));
        }
    }
}

#[test]
fn what_listens_on_loopback_is_reached_by_nobody() {
    let setup = Setup { http: Some(SocketAddr::from(([127, 0, 0, 1], 8080))), ..setup() };
    assert_eq!(setup.lan_url(), None);
    let setup = Setup { http: Some(SocketAddr::from(([192, 168, 1, 9], 8080))), ..setup };
    assert_eq!(setup.lan_url().as_deref(), Some("http://192.168.1.9:8080"));
}
