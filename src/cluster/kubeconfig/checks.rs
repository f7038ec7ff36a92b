//! Checks of the members of a kubeconfig: what nobody could connect with is told by its member.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use kube::config::{AuthInfo, AuthProviderConfig, Cluster, Context};
use secrecy::{ExposeSecret as _, SecretString};

use crate::cluster::file::read;
use crate::cluster::plugin::Plugin;
use crate::cluster::proxy;
use crate::kubernetes::object::is_label;

use super::MAX_BYTES;

/// The fault of a member: its path below its entry, and why.
pub(super) type Fault = (String, &'static str);

pub(super) fn check_context(context: &Context) -> Result<(), Fault> {
    let namespace = context.namespace.as_deref();
    must(namespace.is_none_or(is_label), "context.namespace", "is not the name of a namespace")
}

pub(super) fn check_cluster(cluster: &Cluster) -> Result<(), Fault> {
    let server = cluster.server.as_deref().ok_or_else(|| ("cluster.server".to_owned(), "is missing"))?;
    check_url(server, "cluster.server", &["http", "https"], "does not begin with `https://` or `http://`")?;
    if let Some(proxy) = cluster.proxy_url.as_deref() {
        let why = "begins with neither `http://`, `https://` nor `socks5://`";
        check_url(proxy, "cluster.proxy-url", &proxy::SCHEMES, why)?;
    }
    let name = cluster.tls_server_name.as_deref();
    must(name.is_none_or(is_host), "cluster.tls-server-name", "is not the name of a host")?;
    let data = cluster.certificate_authority_data.as_deref();
    let has_authority = data.is_some() || cluster.certificate_authority.is_some();
    must(
        !(has_authority && cluster.insecure_skip_tls_verify.unwrap_or(false)),
        "cluster.insecure-skip-tls-verify",
        "stands beside a certificate authority, which would not be asked",
    )?;
    check_certificates(data, cluster.certificate_authority.as_deref(), "cluster.certificate-authority")
}

pub(super) fn check_user(user: &AuthInfo) -> Result<(), Fault> {
    let header = |text: &str| HeaderValue::from_str(text).is_ok();
    let in_header = |fits: bool, member: &str| must(fits, member, "has characters that no header can hold");
    let secret = |text: &Option<SecretString>| text.as_ref().is_none_or(|it| header(it.expose_secret()));
    in_header(secret(&user.token), "user.token")?;
    in_header(user.impersonate.as_deref().is_none_or(header), "user.as")?;
    in_header(user.impersonate_uid.as_deref().is_none_or(header), "user.as-uid")?;
    in_header(user.impersonate_groups.iter().flatten().all(|group| header(group)), "user.as-groups")?;
    let mut extra = user.impersonate_user_extra.iter().flatten();
    in_header(extra.all(|(_, values)| values.iter().all(|value| header(value))), "user.as-user-extra")?;
    let (data, file) = (user.client_certificate_data.as_deref(), user.client_certificate.as_deref());
    check_certificates(data, file, "user.client-certificate")?;
    let key = user.client_key_data.as_ref().map(|key| key.expose_secret());
    must(key.is_none_or(is_base64), "user.client-key-data", "is not base64")?;
    let has_key = key.is_some() || user.client_key.is_some();
    let has_certificate = data.is_some() || file.is_some();
    must(has_key || !has_certificate, "user.client-certificate", "has no client-key beside it")?;
    must(has_certificate || !has_key, "user.client-key", "has no client-certificate beside it")?;
    if let Some(exec) = &user.exec {
        Plugin::new(exec.clone()).map_err(|(member, why)| (format!("user.{member}"), why))?;
    }
    user.auth_provider.as_ref().map_or(Ok(()), check_provider)
}

/// kubectl knows one provider by now, and of that carnet uses the token that is there.
fn check_provider(provider: &AuthProviderConfig) -> Result<(), Fault> {
    let member = "user.auth-provider";
    must(
        provider.name == "oidc",
        member,
        "names a provider that is gone from kubectl: use a credential plugin (`exec`)",
    )?;
    let token = provider.config.get("id-token").filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| (member.to_owned(), "has no `id-token`"))?;
    must(HeaderValue::from_str(token).is_ok(), member, "has an `id-token` that no header can hold")
}

fn check_url(text: &str, member: &str, schemes: &[&str], otherwise: &'static str) -> Result<(), Fault> {
    let url: Uri = text.parse().map_err(|_| (member.to_owned(), "is not a URL"))?;
    must(url.scheme_str().is_some_and(|scheme| schemes.contains(&scheme)), member, otherwise)?;
    let host = url.host().filter(|host| !host.is_empty());
    must(host.is_some_and(|host| is_host(host.trim_matches(['[', ']']))), member, "names no host")?;
    let has_port =
        url.authority().is_some_and(|it| it.as_str().rsplit(']').next().is_some_and(|it| it.contains(':')));
    let is_userinfo = url.authority().is_some_and(|it| it.as_str().contains('@'));
    must(is_userinfo || !has_port || url.port_u16().is_some(), member, "has a port that is none")
}

fn check_certificates(data: Option<&str>, file: Option<&str>, member: &str) -> Result<(), Fault> {
    if let Some(data) = data {
        return must(is_base64(data), &format!("{member}-data"), "is not base64");
    }
    let Some(file) = file else { return Ok(()) };
    must(read(Path::new(file), MAX_BYTES).is_ok(), member, "names a file that cannot be read")
}

fn is_base64(text: &str) -> bool {
    STANDARD.decode(text).is_ok()
}

/// A name or an address, as a certificate has it.
fn is_host(text: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    text.parse::<std::net::IpAddr>().is_ok()
        || (text.len() <= 253 && text.trim_end_matches('.').split('.').all(is_name))
}

fn must(holds: bool, member: &str, why: &'static str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err((member.to_owned(), why)) }
}
