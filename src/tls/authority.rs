//! Sans-IO: the box's own certificate authority, and the certificates that it makes.

use super::names::{Names, PRIVATE, is_dns_name};
use super::renewal::{Issued, validity};
use core::ops::RangeInclusive;
use core::time::Duration;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// From when and to when an authority is valid, years. Fixed, so that a board that doesn't know the date at
/// its first start makes a good one; the end is the last that every device reads (RFC 5280 §4.1.2.5).
const VALID_YEARS: (i32, i32) = (2024, 2049);
/// What a name in `.local` gets behind it when it is taken; more boxes of one name have no name in their
/// certificates.
const NUMBERS: RangeInclusive<u32> = 2..=9;
/// What the certificate's subject is called; who it is for stands in its alternative names.
const LEAF_NAME: &str = "capturebox";
/// The latest time a certificate can end, s since 1970: year 9000 or so.
const MAX_TIME_S: i64 = 222_000_000_000;

#[derive(Debug, Error)]
pub enum AuthorityError {
    #[error("the box's certificate authority can't be read: {0}")]
    Record(String),
    #[error("the certificate can't be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("the certificate that was made is no good: {0}")]
    Unfit(#[from] rustls::Error),
}

/// What the state folder keeps.
#[derive(Serialize, Deserialize)]
struct Record {
    common_name: String,
    /// DNS names that it may speak for.
    hosts: BTreeSet<String>,
    /// PEM.
    certificate: String,
    /// PEM.
    key: String,
}

/// The authority's certificate, for everybody to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paper {
    pub common_name: String,
    pub der: Vec<u8>,
    pub pem: String,
}

impl Paper {
    /// SHA-256 of the certificate as devices show it: `AB:CD:…`.
    pub fn fingerprint(&self) -> String {
        let bytes = self.digest().into_iter().map(|byte| format!("{byte:02X}"));
        bytes.collect::<Vec<_>>().join(":")
    }

    /// SHA-256 of the certificate.
    pub(super) fn digest(&self) -> Vec<u8> {
        digest(&SHA256, &self.der).as_ref().to_vec()
    }
}

/// The authority with its key. Its `Debug` doesn't show the key.
pub struct Authority {
    record: Record,
    paper: Paper,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("paper", &self.paper).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new one that may speak for `names`, for the `.local` ones with a number too, which others of the same
    /// name make them take (RFC 6762 §9), and for all private addresses.
    pub fn make(hostname: &str, names: &Names) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        // A box that was set up anew makes another one: people must tell them apart in a list.
        let mark: String =
            digest(&SHA256, key.public_key_raw()).as_ref().iter().take(3).map(|byte| format!("{byte:02x}")).collect();
        let common_name = format!("capturebox {hostname} {mark}");
        let hosts = with_numbers(&names.hosts);
        let certificate = params(&common_name, &hosts).self_signed(&key)?;
        Self::from_record(Record { common_name, hosts, certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// The one that was kept.
    pub fn restore(kept: &[u8]) -> Result<Self, AuthorityError> {
        // serde's message could quote the key.
        let record = serde_json::from_slice(kept).map_err(|error| {
            AuthorityError::Record(format!("not what the box wrote (line {}, {:?})", error.line(), error.classify()))
        })?;
        Self::from_record(record)
    }

    fn from_record(record: Record) -> Result<Self, AuthorityError> {
        let unreadable = |what: &str| AuthorityError::Record(what.to_owned());
        let certificate = CertificateDer::from_pem_slice(record.certificate.as_bytes())
            .map_err(|_| unreadable("its certificate is no PEM"))?;
        let key = KeyPair::from_pem(&record.key).map_err(|_| unreadable("its key is no key in PEM"))?;
        // A key of another certificate would make certificates that nobody trusts.
        CertifiedKey::from_der(vec![certificate.clone()], private(&key)?, &default_provider())
            .map_err(|_| unreadable("its key isn't its certificate's"))?;
        let issuer = Issuer::new(params(&record.common_name, &record.hosts), key);
        let paper = Paper {
            common_name: record.common_name.clone(),
            der: certificate.to_vec(),
            pem: record.certificate.clone(),
        };
        Ok(Self { record, paper, issuer })
    }

    /// What to keep: secret.
    pub fn to_keep(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.record).expect("strings alone can't fail")
    }

    pub fn paper(&self) -> &Paper {
        &self.paper
    }

    /// Whether devices that trust it accept a certificate of these names.
    pub fn may_speak_for(&self, names: &Names) -> bool {
        self.record.hosts.is_superset(&names.hosts)
    }

    /// The same for one name.
    pub fn may_speak_for_host(&self, host: &str) -> bool {
        self.record.hosts.contains(&host.to_ascii_lowercase())
    }

    /// A certificate for `names` with a key of its own, valid from a little before `now_s` (since 1970).
    pub fn issue(&self, names: &Names, now_s: i64) -> Result<(CertifiedKey, Issued), AuthorityError> {
        let (not_before_s, not_after_s) = validity(now_s);
        let from_1970 = |s: i64| Duration::from_secs(s.clamp(0, MAX_TIME_S).unsigned_abs());
        let mut leaf = CertificateParams::default();
        leaf.not_before = date_time_ymd(1970, 1, 1) + from_1970(not_before_s);
        leaf.not_after = date_time_ymd(1970, 1, 1) + from_1970(not_after_s);
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        // Not the authority's own name: what has the same issuer and subject counts as self-signed.
        leaf.distinguished_name.push(DnType::CommonName, LEAF_NAME);
        leaf.subject_alt_names = names
            .hosts
            .iter()
            .map(|host| Ok(SanType::DnsName(host.as_str().try_into()?)))
            .chain(names.addresses.iter().map(|ip| Ok(SanType::IpAddress(*ip))))
            .collect::<Result<_, rcgen::Error>>()?;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &self.issuer)?;
        let certified = CertifiedKey::from_der(vec![certificate.into()], private(&key)?, &default_provider())?;
        Ok((certified, Issued { names: names.clone(), not_before_s, not_after_s }))
    }
}

/// `box.local` → also `box-2.local` and so on.
fn with_numbers(hosts: &BTreeSet<String>) -> BTreeSet<String> {
    let labels = hosts.iter().filter_map(|host| host.strip_suffix(".local"));
    let numbered = labels.flat_map(|label| NUMBERS.map(move |number| format!("{label}-{number}.local")));
    hosts.iter().cloned().chain(numbered.filter(|host| is_dns_name(host))).collect()
}

fn private(key: &KeyPair) -> Result<PrivateKeyDer<'static>, AuthorityError> {
    PrivateKeyDer::try_from(key.serialize_der()).map_err(|what| AuthorityError::Record(what.to_owned()))
}

/// What the authority's certificate says; the same each time for the same name and hosts.
fn params(common_name: &str, hosts: &BTreeSet<String>) -> CertificateParams {
    let mut authority = CertificateParams::default();
    authority.not_before = date_time_ymd(VALID_YEARS.0, 1, 1);
    authority.not_after = date_time_ymd(VALID_YEARS.1, 12, 31);
    authority.distinguished_name = rcgen::DistinguishedName::new();
    authority.distinguished_name.push(DnType::CommonName, common_name);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let networks = PRIVATE.iter().map(|(ip, prefix)| CidrSubnet::from_addr_prefix(*ip, *prefix));
    authority.name_constraints = Some(NameConstraints {
        permitted_subtrees: hosts
            .iter()
            .map(|host| GeneralSubtree::DnsName(host.clone()))
            .chain(networks.map(GeneralSubtree::IpAddress))
            .collect(),
        excluded_subtrees: Vec::new(),
    });
    authority
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::{ServerName, UnixTime};
    use rustls::{CertificateError, Error, RootCertStore};
    use std::sync::Arc;

    const NOW_S: i64 = 1_800_000_000;

    fn names(hostname: &str, addresses: &[&str]) -> Names {
        Names::new(hostname, [], addresses.iter().map(|text| text.parse().expect("an address")))
    }

    /// What a client that trusts the authority says to a certificate.
    fn verdict(authority: &Authority, leaf: &CertifiedKey, name: &str, at_s: i64) -> Result<(), Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.paper().der.clone().into()).expect("an authority");
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
        let verifier = verifier.build().expect("roots");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at_s.unsigned_abs()));
        let leaf = leaf.end_entity_cert().expect("a chain of one");
        verifier.verify_server_cert(leaf, &[], &name, &[], at).map(|_| ())
    }

    #[test]
    fn a_client_that_trusts_the_authority_trusts_the_box_by_all_its_names() {
        let names = names("studio", &["192.168.1.7", "fd00::7"]);
        let authority = Authority::make("studio", &names).expect("made");
        let (leaf, issued) = authority.issue(&names, NOW_S).expect("issued");
        for name in ["studio.local", "studio", "localhost", "192.168.1.7", "fd00::7"] {
            verdict(&authority, &leaf, name, NOW_S).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(verdict(&authority, &leaf, "192.168.1.8", NOW_S).is_err(), "not the box's address");
        assert!(verdict(&authority, &leaf, "studio.local", issued.not_after_s + 1).is_err(), "it ends");
        assert!(verdict(&authority, &leaf, "studio.local", issued.not_before_s - 1).is_err());
        assert!(issued.not_after_s - issued.not_before_s <= 825 * 24 * 3600, "what Apple's devices take");
    }

    #[test]
    fn a_box_whose_name_is_taken_is_trusted_by_its_new_one() {
        let authority = Authority::make("studio", &names("studio", &[])).expect("made");
        assert!(authority.may_speak_for_host("Studio-2.local") && authority.may_speak_for_host("studio-9.local"));
        assert!(!authority.may_speak_for_host("studio-10.local") && !authority.may_speak_for_host("other.local"));
        let renamed = Names::new("studio", ["studio-2.local".to_owned()], []);
        let (leaf, _) = authority.issue(&renamed, NOW_S).expect("issued");
        for name in ["studio.local", "studio-2.local"] {
            verdict(&authority, &leaf, name, NOW_S).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn the_authority_can_speak_for_nobody_else() {
        let authority = Authority::make("studio", &names("studio", &[])).expect("made");
        let violated = |names: Names, name: &str| {
            let (leaf, _) = authority.issue(&names, NOW_S).expect("issued");
            let error = verdict(&authority, &leaf, name, NOW_S).expect_err("out of its names");
            assert!(format!("{error:?}").contains("NameConstraintViolation"), "{name}: {error:?}");
        };
        violated(Names { hosts: ["bank.example".to_owned()].into(), ..Names::default() }, "bank.example");
        let public = "8.8.8.8".parse().expect("an address");
        violated(Names { addresses: [public].into(), ..Names::default() }, "8.8.8.8");
    }

    #[test]
    fn a_kept_authority_is_the_same_one_after_a_restart() {
        let names = names("studio", &["10.0.0.1"]);
        let authority = Authority::make("studio", &names).expect("made");
        let restored = Authority::restore(&authority.to_keep()).expect("kept");
        assert_eq!(restored.paper(), authority.paper());
        let (leaf, _) = restored.issue(&names, NOW_S).expect("issued");
        verdict(&authority, &leaf, "studio.local", NOW_S).expect("devices trust it on");
        assert!(restored.may_speak_for(&names));
        assert!(!restored.may_speak_for(&super::Names::new("renamed", [], [])));
        let other = Authority::make("studio", &names).expect("made");
        assert_ne!(other.paper().common_name, authority.paper().common_name, "two can be told apart");
        assert_eq!(
            verdict(&other, &leaf, "studio.local", NOW_S),
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        );
    }

    #[test]
    fn what_was_kept_badly_is_refused_without_showing_the_key() {
        let names = names("studio", &[]);
        let (one, other) = (Authority::make("a", &names).expect("made"), Authority::make("b", &names).expect("made"));
        let mixed = Record {
            key: other.record.key.clone(),
            certificate: one.record.certificate.clone(),
            hosts: BTreeSet::new(),
            common_name: "a".into(),
        };
        let mixed = serde_json::to_vec(&mixed).expect("strings");
        let kept = one.to_keep();
        for bad in [&b""[..], b"{}", b"[1,2", &kept[..kept.len() / 2], &mixed, b"\"-----BEGIN PRIVATE KEY-----\""] {
            let error = Authority::restore(bad).expect_err("bad").to_string();
            assert!(!error.contains("BEGIN"), "{error}");
        }
        assert!(!format!("{one:?}").contains("PRIVATE"));
    }

    #[test]
    fn the_fingerprint_is_as_devices_show_it() {
        let paper = Paper { common_name: String::new(), der: b"abc".to_vec(), pem: String::new() };
        // FIPS 180-4's example for "abc".
        assert!(paper.fingerprint().starts_with("BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23"));
    }
}
