//! A certificate and its key in files that somebody else writes (certbot, an administrator).

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A chain is a few KiB; what is larger is another file. Bytes.
const MAX_FILE_LEN: u64 = 256 * 1024;

#[derive(Debug, Error)]
pub enum FilesError {
    #[error("{}: can't be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{}: no certificate in PEM in it", .0.display())]
    NoCertificate(PathBuf),
    #[error("{}: no private key in PEM in it", .0.display())]
    NoKey(PathBuf),
    #[error("{certificate} and {key} don't go together: {error}", certificate = certificate.display(), key = key.display())]
    Unfit { certificate: PathBuf, key: PathBuf, error: rustls::Error },
}

/// Where a certificate and its key stand, PEM both; the certificate with those that lead to its authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What a file was when it was looked at: time of change (s, ns), length, inode. A link that points
/// elsewhere shows too.
type Stamp = Option<(i64, i64, u64, u64)>;

impl CertificateFiles {
    /// Changes when one of the files does.
    pub fn stamps(&self) -> [Stamp; 2] {
        [&self.certificate, &self.key].map(|path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.mtime(), found.mtime_nsec(), found.len(), found.ino()))
        })
    }

    pub fn load(&self) -> Result<CertifiedKey, FilesError> {
        let chain = CertificateDer::pem_slice_iter(&read(&self.certificate)?)
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|chain| !chain.is_empty())
            .ok_or_else(|| FilesError::NoCertificate(self.certificate.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|_| FilesError::NoKey(self.key.clone()))?;
        CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| FilesError::Unfit {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            error,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    let cannot = |error| FilesError::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE_LEN + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE_LEN {
        return Err(cannot(io::Error::other(format!("longer than {MAX_FILE_LEN} bytes: this is no certificate"))));
    }
    Ok(bytes)
}
