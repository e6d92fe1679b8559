//! Sans-IO: the authority's certificate as a configuration profile, which iOS, iPadOS and macOS install with
//! a few taps (Apple's Configuration Profile Reference, payload `com.apple.security.root`).

use super::authority::Paper;
use core::fmt::Write;

/// The profile, an XML property list.
pub fn mobileconfig(paper: &Paper) -> String {
    let base64: String = paper.pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let name = escaped(&paper.common_name);
    let digest = paper.digest();
    // The same certificate is the same profile, so that installing it twice replaces it.
    let (profile, payload) = (uuid(&digest, 0), uuid(&digest, 16));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadCertificateFileName</key><string>capturebox.crt</string>
      <key>PayloadContent</key><data>{base64}</data>
      <key>PayloadDisplayName</key><string>{name}</string>
      <key>PayloadIdentifier</key><string>capturebox.authority.{payload}</string>
      <key>PayloadType</key><string>com.apple.security.root</string>
      <key>PayloadUUID</key><string>{payload}</string>
      <key>PayloadVersion</key><integer>1</integer>
    </dict>
  </array>
  <key>PayloadDescription</key><string>Lets this device trust this one capture box, and nothing else.</string>
  <key>PayloadDisplayName</key><string>{name}</string>
  <key>PayloadIdentifier</key><string>capturebox.{profile}</string>
  <key>PayloadRemovalDisallowed</key><false/>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadUUID</key><string>{profile}</string>
  <key>PayloadVersion</key><integer>1</integer>
</dict>
</plist>
"#
    )
}

/// 16 bytes from `from` on in the form of a UUID.
fn uuid(digest: &[u8], from: usize) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in digest.iter().skip(from).take(16).enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02X}");
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_carries_the_certificate_and_is_the_same_each_time() {
        let pem = "-----BEGIN CERTIFICATE-----\r\nYWJj\r\nZGVm\r\n-----END CERTIFICATE-----\r\n".to_owned();
        let paper = Paper { common_name: "box <&> 1".into(), der: b"abcdef".to_vec(), pem };
        let profile = mobileconfig(&paper);
        assert!(profile.contains("<data>YWJjZGVm</data>"));
        assert!(profile.contains("<string>box &lt;&amp;&gt; 1</string>"));
        assert_eq!(profile, mobileconfig(&paper));
        let uuid = uuid(&paper.digest(), 0);
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }
}
