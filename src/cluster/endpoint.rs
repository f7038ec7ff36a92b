//! Where the API server is and how it is reached, with nothing about who asks.
//!
//! A client that is made of this carries the token that it is given and nothing else: no certificate of the caller, no
//! credential plugin, no impersonation.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use kube::{Client, Config};
use serde_json::{Value, json};

use super::connection;
use super::credential::RequestCredential;

/// The way to an API server.
#[derive(Clone)]
pub(super) struct Endpoint {
    url: Uri,
    certificates: Option<Vec<Vec<u8>>>,
    certificate_file: Option<PathBuf>,
    accepts_any_certificate: bool,
    tls_server_name: Option<String>,
    proxy: Option<Uri>,
}

impl Endpoint {
    /// The way that a configuration goes.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            url: config.cluster_url.clone(),
            certificates: config.root_cert.clone(),
            certificate_file: config.root_cert_file.clone(),
            accepts_any_certificate: config.accept_invalid_certs,
            tls_server_name: config.tls_server_name.clone(),
            proxy: config.proxy_url.clone(),
        }
    }

    /// A client that asks with this credential.
    pub(super) fn client(&self, credential: RequestCredential) -> kube::Result<Client> {
        let mut config = Config::new(self.url.clone());
        config.root_cert.clone_from(&self.certificates);
        config.root_cert_file.clone_from(&self.certificate_file);
        config.accept_invalid_certs = self.accepts_any_certificate;
        config.tls_server_name.clone_from(&self.tls_server_name);
        config.proxy_url.clone_from(&self.proxy);
        connection::client(config, Some(credential))
    }

    /// The entry of a kubeconfig's list of clusters.
    pub(super) fn kubeconfig_cluster(&self) -> Value {
        let mut cluster = json!({ "server": self.url.to_string() });
        if let Some(certificates) = &self.certificates {
            cluster["certificate-authority-data"] = STANDARD.encode(pem(certificates)).into();
        }
        if let Some(file) = &self.certificate_file {
            cluster["certificate-authority"] = file.display().to_string().into();
        }
        if self.accepts_any_certificate {
            cluster["insecure-skip-tls-verify"] = true.into();
        }
        if let Some(name) = &self.tls_server_name {
            cluster["tls-server-name"] = name.clone().into();
        }
        if let Some(proxy) = &self.proxy {
            cluster["proxy-url"] = proxy.to_string().into();
        }
        cluster
    }
}

fn pem(certificates: &[Vec<u8>]) -> String {
    let armoured = |certificate: &Vec<u8>| {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
    };
    certificates.iter().map(armoured).collect()
}
