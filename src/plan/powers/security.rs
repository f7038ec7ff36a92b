//! A pod's privileges on its node and beyond its own containers: the Pod Security Standards of Kubernetes as powers.
//!
//! The ids of findings name the profile and the control: `pod-security/baseline/…` is what its policy "baseline"
//! forbids, `pod-security/restricted/…` what its policy "restricted" forbids besides. A live test compares both with
//! the server's own admission.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::capability::severity::Severity;

use super::Found;
use super::pods::{Container, PodView};
use super::untyped::{is_false, is_on, is_there, items, listed, members, quoted, text, texts};

use Severity::{Critical, High, Low, Medium};

/// Capabilities that any container has by default and may add under the policy "baseline".
const USUAL: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Capabilities by which a container gets hold of its node.
const NODE: [&str; 7] = ["ALL", "BPF", "DAC_READ_SEARCH", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_RAWIO"];

/// Capabilities that disturb others, but do not reach into them.
const DISTURBING: [&str; 4] = ["IPC_LOCK", "NET_RAW", "SYS_NICE", "SYS_RESOURCE"];

/// Kernel parameters that concern the pod alone.
const SAFE_SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
];

const SELINUX_TYPES: [&str; 5] =
    ["", "container_engine_t", "container_init_t", "container_kvm_t", "container_t"];

/// Where probes and hooks name the host to connect to.
const HOSTS: [&str; 10] = [
    "/lifecycle/postStart/httpGet/host",
    "/lifecycle/postStart/tcpSocket/host",
    "/lifecycle/preStop/httpGet/host",
    "/lifecycle/preStop/tcpSocket/host",
    "/livenessProbe/httpGet/host",
    "/livenessProbe/tcpSocket/host",
    "/readinessProbe/httpGet/host",
    "/readinessProbe/tcpSocket/host",
    "/startupProbe/httpGet/host",
    "/startupProbe/tcpSocket/host",
];

const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// Findings, with the containers that each is about.
#[derive(Default)]
struct Rows<'a>(BTreeMap<Row, Vec<&'a str>>);

/// Severity, rule and sentence.
type Row = (Reverse<Severity>, &'static str, Cow<'static, str>);

/// The settings that a container lacks for the policy "restricted".
const LACKS: [&str; 4] = [
    "pod-security/restricted/capabilities",
    "pod-security/restricted/privilege-escalation",
    "pod-security/restricted/running-as-non-root",
    "pod-security/restricted/seccomp",
];

impl<'a> Rows<'a> {
    /// Adds what is found, but for what is left out and may be set by somebody else.
    fn without_lacks(&mut self, find: impl FnOnce(&mut Self)) {
        let mut found = Self::default();
        find(&mut found);
        for (row, containers) in found.0 {
            let (Reverse(severity), rule, _) = &row;
            if *severity != Low || !LACKS.contains(rule) {
                self.0.entry(row).or_default().extend(containers);
            }
        }
    }

    fn pod(&mut self, severity: Severity, rule: &'static str, what: impl Into<Cow<'static, str>>) {
        self.0.entry((Reverse(severity), rule, what.into())).or_default();
    }

    fn container(
        &mut self,
        severity: Severity,
        rule: &'static str,
        what: impl Into<Cow<'static, str>>,
        of: Container<'a>,
    ) {
        self.0.entry((Reverse(severity), rule, what.into())).or_default().push(of.name);
    }
}

/// Looks at one pod.
pub(super) fn look(pod: &PodView<'_>, found: &mut Found) {
    let mut rows = Rows::default();
    host(pod, &mut rows);
    whole_pod(pod, &mut rows);
    for container in pod.containers() {
        if container.is_partial {
            rows.without_lacks(|rows| judge(pod, container, rows));
        } else {
            judge(pod, container, &mut rows);
        }
    }
    for ((Reverse(severity), rule, what), containers) in rows.0 {
        match containers.len() {
            0 => found.add(severity, rule, &what),
            1 => found.add(severity, rule, format!("{what} (container {})", listed(containers))),
            _ => found.add(severity, rule, format!("{what} (containers {})", listed(containers))),
        }
    }
}

fn judge<'a>(pod: &PodView<'a>, container: Container<'a>, rows: &mut Rows<'a>) {
    privileges(pod, container, rows);
    confinement(pod, container, rows);
    reach(container, rows);
}

/// Namespaces of the node that the pod shares.
fn host<'a>(pod: &PodView<'a>, rows: &mut Rows<'a>) {
    let shared = [
        (
            "/hostNetwork",
            "uses the network of its node: it sees what others there send, and reaches what only the node may",
        ),
        ("/hostPID", "sees every process of its node, with the secrets in their environments"),
        ("/hostIPC", "shares memory with processes of its node"),
    ];
    for (member, what) in shared {
        if is_on(pod.spec, member) {
            rows.pod(High, "pod-security/baseline/host-namespaces", what);
        }
    }
    for container in pod.containers().filter(|container| has_foreign_probe(container.body)) {
        let what = "makes the kubelet of its node connect to another host";
        rows.container(Medium, "pod-security/baseline/host-probes", what, container);
    }
}

fn has_foreign_probe(container: &Value) -> bool {
    HOSTS.iter().any(|host| is_there(container, host) && text(container, host) != Some(""))
}

fn whole_pod<'a>(pod: &PodView<'a>, rows: &mut Rows<'a>) {
    let unsafe_sysctls: Vec<_> = items(pod.spec, "/securityContext/sysctls")
        .map(|sysctl| text(sysctl, "/name").unwrap_or("?"))
        .filter(|name| !SAFE_SYSCTLS.contains(name))
        .collect();
    if !unsafe_sysctls.is_empty() {
        let what = format!("sets parameters of the kernel: {}", listed(unsafe_sysctls));
        rows.pod(Medium, "pod-security/baseline/sysctls", what);
    }
    if is_on(pod.spec, "/securityContext/windowsOptions/hostProcess") {
        rows.pod(Critical, "pod-security/baseline/host-process", HOST_PROCESS);
    }
    if let Some(options) = pod.spec.pointer("/securityContext/seLinuxOptions") {
        selinux(options).into_iter().for_each(|what| rows.pod(Medium, SELINUX, what));
    }
    if text(pod.spec, "/securityContext/seccompProfile/type") == Some("Unconfined") {
        rows.pod(Medium, SECCOMP, "turns off the filter of system calls");
    }
    if text(pod.spec, "/securityContext/appArmorProfile/type") == Some("Unconfined") {
        rows.pod(Medium, ARMOR, "turns off AppArmor");
    }
    let annotations = pod.annotations.map(|annotations| members(annotations, "")).into_iter().flatten();
    let unconfined = annotations.filter(|(name, value)| {
        let profile = value.as_str().unwrap_or("?");
        name.starts_with(APPARMOR)
            && !["", "runtime/default"].contains(&profile)
            && !profile.starts_with("localhost/")
    });
    if unconfined.count() > 0 {
        rows.pod(Medium, ARMOR, "turns off AppArmor");
    }
    if text(pod.spec, "/priorityClassName").is_some_and(|class| class.starts_with("system-")) {
        let what = "has the priority of the system: it displaces other pods when resources are short";
        rows.pod(Medium, "pod/priority", what);
    }
}

const HOST_PROCESS: &str = "runs as a process of its Windows node";
const SELINUX: &str = "pod-security/baseline/selinux";
const SECCOMP: &str = "pod-security/baseline/seccomp";
const ARMOR: &str = "pod-security/baseline/app-armor";

/// Privilege escalation: privileged mode, capabilities, users.
fn privileges<'a>(pod: &PodView<'a>, container: Container<'a>, rows: &mut Rows<'a>) {
    let body = container.body;
    if is_on(body, "/securityContext/privileged") {
        let what = "runs privileged: it is as good as root on its node";
        rows.container(Critical, "pod-security/baseline/privileged-containers", what, container);
    }
    if is_on(body, "/securityContext/windowsOptions/hostProcess") {
        rows.container(Critical, "pod-security/baseline/host-process", HOST_PROCESS, container);
    }
    capabilities(container, rows);
    user(pod, container, rows);
    if is_windows(pod) {
        return;
    }
    if is_on(body, "/securityContext/allowPrivilegeEscalation") {
        let what = "may gain more privileges than it starts with";
        rows.container(Medium, "pod-security/restricted/privilege-escalation", what, container);
    } else if !is_false(body, "/securityContext/allowPrivilegeEscalation") {
        let what =
            "may gain more privileges than it starts with: allowPrivilegeEscalation is not set to false";
        rows.container(Low, "pod-security/restricted/privilege-escalation", what, container);
    }
}

fn capabilities<'a>(container: Container<'a>, rows: &mut Rows<'a>) {
    let added: Vec<_> = items(container.body, "/securityContext/capabilities/add")
        .map(|name| bare(name.as_str().unwrap_or("?")))
        .collect();
    let mut by_severity = BTreeMap::<Reverse<Severity>, Vec<&str>>::new();
    for name in &added {
        let severity = match name.as_str() {
            name if NODE.contains(&name) => Critical,
            name if DISTURBING.contains(&name) => Medium,
            name if USUAL.contains(&name) => Low,
            _ => High,
        };
        by_severity.entry(Reverse(severity)).or_default().push(name);
    }
    for (Reverse(severity), names) in by_severity {
        let unusual: Vec<_> = names.iter().filter(|name| **name != "NET_BIND_SERVICE").collect();
        let (rule, names) = match severity {
            Low if unusual.is_empty() => continue,
            Low => ("pod-security/restricted/capabilities", listed(unusual)),
            _ => ("pod-security/baseline/capabilities", listed(names)),
        };
        rows.container(severity, rule, format!("has added capabilities: {names}"), container);
    }
    let drops_all =
        texts(container.body, "/securityContext/capabilities/drop").any(|name| bare(name) == "ALL");
    if !drops_all && !is_on(container.body, "/securityContext/privileged") {
        let what = "keeps the capabilities that containers have by default: it does not drop `ALL`";
        rows.container(Low, "pod-security/restricted/capabilities", what, container);
    }
}

/// The name of a capability: runtimes do not care how it is written.
fn bare(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").map_or(name.clone(), str::to_owned)
}

/// Root is root of the node as far as anything leads there, unless the pod has users of its own.
fn user<'a>(pod: &PodView<'a>, container: Container<'a>, rows: &mut Rows<'a>) {
    let set = |member: &str| {
        let own = container.body.pointer(member).filter(|it| !it.is_null());
        own.or_else(|| pod.spec.pointer(member)).filter(|it| !it.is_null())
    };
    let rule = "pod-security/restricted/running-as-non-root";
    let has_own_users = is_false(pod.spec, "/hostUsers");
    match set("/securityContext/runAsUser").map(Value::as_i64) {
        Some(Some(0)) if has_own_users => {
            rows.container(Low, "pod/root", "runs as root among users of its own (runAsUser: 0)", container);
        }
        Some(Some(0)) => rows.container(Medium, rule, "runs as root (runAsUser: 0)", container),
        Some(Some(_)) => {}
        Some(None) => rows.container(Medium, rule, "runs as a user that cannot be read", container),
        None if has_own_users => {}
        None if set("/securityContext/runAsNonRoot") == Some(&Value::Bool(true)) => {}
        None => {
            let what = "may run as root: neither runAsNonRoot nor runAsUser is set, so the image decides";
            rows.container(Low, rule, what, container);
        }
    }
}

/// Confinement: the profiles and settings that isolate a container.
fn confinement<'a>(pod: &PodView<'a>, container: Container<'a>, rows: &mut Rows<'a>) {
    let body = container.body;
    let own = text(body, "/securityContext/seccompProfile/type");
    match own.or_else(|| text(pod.spec, "/securityContext/seccompProfile/type")) {
        Some("Localhost" | "RuntimeDefault") => {}
        Some("Unconfined") if own.is_none() => {}
        Some("Unconfined") => {
            rows.container(Medium, SECCOMP, "turns off the filter of system calls", container)
        }
        Some(other) => {
            let what = format!("has the unknown filter of system calls {}", quoted(other));
            rows.container(Medium, SECCOMP, what, container);
        }
        None if is_windows(pod) => {}
        None => {
            let what = "may make any system call: it has no seccomp profile";
            rows.container(Low, "pod-security/restricted/seccomp", what, container);
        }
    }
    if text(body, "/securityContext/appArmorProfile/type") == Some("Unconfined") {
        rows.container(Medium, ARMOR, "turns off AppArmor", container);
    }
    if let Some(options) = body.pointer("/securityContext/seLinuxOptions") {
        selinux(options).into_iter().for_each(|what| rows.container(Medium, SELINUX, what, container));
    }
    let proc_mount = body.pointer("/securityContext/procMount");
    if !matches!(proc_mount, None | Some(Value::Null)) && proc_mount != Some(&Value::from("Default")) {
        let (severity, rule) = match is_false(pod.spec, "/hostUsers") {
            true => (Medium, "pod-security/restricted/proc-mount"),
            false => (High, "pod-security/baseline/proc-mount"),
        };
        let what = "sees all of /proc, the parts that are masked for containers included";
        rows.container(severity, rule, what, container);
    }
}

fn selinux(options: &Value) -> Option<String> {
    let own_type = text(options, "/type").unwrap_or_default();
    let set = |member: &str| text(options, member).is_some_and(|value| !value.is_empty());
    if !SELINUX_TYPES.contains(&own_type) {
        return Some(format!("has the SELinux type {}", quoted(own_type)));
    }
    (set("/user") || set("/role")).then(|| "has an SELinux user or role of its own".to_owned())
}

/// Resources of its node that a container takes, such as host ports.
fn reach<'a>(container: Container<'a>, rows: &mut Rows<'a>) {
    let ports = items(container.body, "/ports").filter_map(|port| port.get("hostPort"));
    let ports: Vec<_> =
        ports.filter(|port| !port.is_null() && **port != 0).map(ToString::to_string).collect();
    if !ports.is_empty() {
        let what = format!("listens on its node, at port {}", listed(ports));
        rows.container(Medium, "pod-security/baseline/host-ports", what, container);
    }
}

fn is_windows(pod: &PodView<'_>) -> bool {
    text(pod.spec, "/os/name") == Some("windows")
}
