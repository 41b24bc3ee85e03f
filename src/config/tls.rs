//! The certificate and its key, read from the files that the configuration names.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a server needs to speak TLS. `Err` is one line that names the file at fault.
pub(super) fn load(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let at = |path: &Path, error: &dyn Display| format!("{}: {error}", path.display());
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|error| at(cert, &error))?;
    if chain.is_empty() {
        return Err(at(cert, &"holds no certificate: expected PEM"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, &error))?;
    let mut config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| at(cert, &format!("does not go with {}: {error}", key.display())))?;
    // WebSocket begins as HTTP/1.1.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_certificate_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("not-a.pem");
        let refusal = |file: &Path| load(file, file).expect_err("refused");
        assert!(refusal(&file).contains("not-a.pem"));
        fs::write(&file, "nothing").expect("written");
        assert!(refusal(&file).contains("expected PEM"));
    }
}
