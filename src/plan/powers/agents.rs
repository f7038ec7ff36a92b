//! Resources that make others act with rights of their own: what an operator of the cluster installs for one, a controller
//! does for whoever may write such a resource.

use serde_json::Value;

use crate::capability::severity::Severity;
use crate::kubernetes::resource::builtin;

use super::table::{self, KindRule, row};
use super::untyped::{listed, members, quoted, text};
use super::{Found, Item};

use Severity::{Critical, High, Low, Medium};

const DEPLOYS: &str = "makes a deployment tool apply whatever it names, with the rights of that tool";
const BUILDS: &str = "makes a controller run jobs that it describes, with the rights that they are given";
const CLOUD: &str =
    "makes a controller change resources outside the cluster, with the rights of that controller";
const MACHINES: &str = "makes a controller start and change machines, which join a cluster";
const MUTATES: &str =
    "makes an admission controller change, make or remove what others write, with its own rights";
const GUARDS: &str = "makes an admission controller refuse what others write, or let it through";
const SECRETS: &str =
    "makes a controller fetch secrets from elsewhere, with its own rights, and write them into the cluster";
const NODES: &str = "makes a controller change nodes, or run programs there as root";
const SPREADS: &str = "makes a controller copy objects, roles among them, into namespaces that it names";
const OPERATORS: &str = "makes a package manager install operators, with the rights that these bring";
const RIGHTS: &str = "makes a controller hand out rights in the cluster";
const BACKUPS: &str =
    "makes a backup tool read or write whole namespaces, Secrets included, with its own rights";
const SOURCES: &str = "names a source of what a deployment tool applies";

/// The kinds, by who acts.
const TABLE: &[KindRule] = &[
    // Deployment tools.
    row("helm.cattle.io", &["HelmChart", "HelmChartConfig"], High, DEPLOYS),
    row("k3s.cattle.io", &[], High, DEPLOYS),
    row("fleet.cattle.io", &[], High, DEPLOYS),
    row("catalog.cattle.io", &[], High, DEPLOYS),
    row("helm.toolkit.fluxcd.io", &[], High, DEPLOYS),
    row("kustomize.toolkit.fluxcd.io", &[], High, DEPLOYS),
    row("fluxcd.controlplane.io", &[], High, DEPLOYS),
    row("source.toolkit.fluxcd.io", &[], Medium, SOURCES),
    row("image.toolkit.fluxcd.io", &[], Medium, SOURCES),
    row("argoproj.io", &["AppProject", "Application", "ApplicationSet", "ArgoCD"], High, DEPLOYS),
    row("core.oam.dev", &[], High, DEPLOYS),
    row("kro.run", &[], High, DEPLOYS),
    row("apps.kubermatic.k8c.io", &[], High, DEPLOYS),
    row(".projectsveltos.io", &[], High, DEPLOYS),
    row("kappctrl.k14s.io", &[], High, DEPLOYS),
    row("packaging.carvel.dev", &[], High, DEPLOYS),
    row("metacontroller.k8s.io", &[], High, DEPLOYS),
    row("work.open-cluster-management.io", &[], High, DEPLOYS),
    row("apps.open-cluster-management.io", &[], High, DEPLOYS),
    row("policy.open-cluster-management.io", &[], High, DEPLOYS),
    row("work.karmada.io", &[], High, DEPLOYS),
    row("policy.karmada.io", &[], High, DEPLOYS),
    row("template.openshift.io", &["TemplateInstance"], High, DEPLOYS),
    row("stackgres.io", &["SGScript"], Medium, BUILDS),
    // Jobs and pipelines.
    row(
        "argoproj.io",
        &[
            "AnalysisRun",
            "AnalysisTemplate",
            "ClusterAnalysisTemplate",
            "ClusterWorkflowTemplate",
            "CronWorkflow",
            "EventSource",
            "Sensor",
            "Workflow",
            "WorkflowEventBinding",
            "WorkflowTemplate",
        ],
        High,
        BUILDS,
    ),
    row(".tekton.dev", &[], High, BUILDS),
    row("shipwright.io", &[], High, BUILDS),
    row("kpack.io", &[], Medium, BUILDS),
    row("build.openshift.io", &["BuildConfig"], High, BUILDS),
    row("actions.summerwind.dev", &[], High, BUILDS),
    row("actions.github.com", &[], High, BUILDS),
    // An agent outside the cluster.
    row(".crossplane.io", &[], High, CLOUD),
    row(".upbound.io", &[], High, CLOUD),
    row(".services.k8s.aws", &[], High, CLOUD),
    row(".cnrm.cloud.google.com", &[], High, CLOUD),
    row(".azure.com", &[], High, CLOUD),
    row("infra.contrib.fluxcd.io", &[], High, CLOUD),
    row("app.terraform.io", &[], High, CLOUD),
    row("terraform.core.oam.dev", &[], High, CLOUD),
    row("pulumi.com", &[], High, CLOUD),
    row(".ansible.com", &[], High, CLOUD),
    row("externaldns.k8s.io", &["DNSEndpoint"], Medium, "makes a controller change names in DNS"),
    // Machines and nodes.
    row(".cluster.x-k8s.io", &[], High, MACHINES),
    row("cluster.x-k8s.io", &[], High, MACHINES),
    row(".karpenter.sh", &[], High, MACHINES),
    row("karpenter.k8s.aws", &[], High, MACHINES),
    row("machine.openshift.io", &[], High, MACHINES),
    row("provisioning.cattle.io", &[], High, MACHINES),
    row("upgrade.cattle.io", &["Plan"], Critical, NODES),
    row("machineconfiguration.openshift.io", &[], Critical, NODES),
    row("nmstate.io", &[], High, NODES),
    row("tuned.openshift.io", &[], High, NODES),
    row("sriovnetwork.openshift.io", &[], High, NODES),
    row("security-profiles-operator.x-k8s.io", &[], Medium, NODES),
    row("nfd.k8s-sigs.io", &[], Medium, "makes a controller label nodes, and so decides where pods run"),
    // Admission.
    row("kyverno.io", &["PolicyException"], Medium, "excepts objects from the policies of others"),
    row("policies.kyverno.io", &["PolicyException"], Medium, "excepts objects from the policies of others"),
    row("kyverno.io", &[], High, MUTATES),
    row("policies.kyverno.io", &[], High, MUTATES),
    row("mutations.gatekeeper.sh", &[], High, MUTATES),
    row("templates.gatekeeper.sh", &[], Medium, GUARDS),
    row("constraints.gatekeeper.sh", &[], Medium, GUARDS),
    row("config.gatekeeper.sh", &[], Medium, GUARDS),
    row(
        "externaldata.gatekeeper.sh",
        &[],
        High,
        "makes an admission controller send what others write elsewhere",
    ),
    row("policies.kubewarden.io", &[], High, MUTATES),
    // Operators.
    row("operators.coreos.com", &[], High, OPERATORS),
    row("olm.operatorframework.io", &[], High, OPERATORS),
    row("operator.openshift.io", &[], High, OPERATORS),
    row("operator.tigera.io", &[], High, OPERATORS),
    row("operator.knative.dev", &[], High, OPERATORS),
    // Rights.
    row("rbacmanager.reactiveops.io", &[], High, RIGHTS),
    row("authorization.openshift.io", &[], High, RIGHTS),
    row("user.openshift.io", &[], High, RIGHTS),
    row("oauth.openshift.io", &[], High, RIGHTS),
    row("management.cattle.io", &[], High, RIGHTS),
    row("capsule.clastix.io", &[], High, RIGHTS),
    row(
        "security.openshift.io",
        &["SecurityContextConstraints"],
        High,
        "decides which pods are let in, privileged ones included",
    ),
    row("hnc.x-k8s.io", &[], High, SPREADS),
    row("tenancy.x-k8s.io", &[], High, SPREADS),
    // Secrets and data.
    row(
        "external-secrets.io",
        &["ClusterExternalSecret", "ClusterPushSecret", "ClusterSecretStore"],
        High,
        SECRETS,
    ),
    row("external-secrets.io", &["PushSecret"], High, "makes a controller send Secrets elsewhere"),
    row("external-secrets.io", &[], Medium, SECRETS),
    row("generators.external-secrets.io", &[], Medium, SECRETS),
    row("secrets.hashicorp.com", &[], Medium, SECRETS),
    row("redhatcop.redhat.io", &[], High, SECRETS),
    row("secrets-store.csi.x-k8s.io", &[], Medium, SECRETS),
    row("bitnami.com", &["SealedSecret"], Low, "makes a controller write a Secret that it brings encrypted"),
    row("cert-manager.io", &["ClusterIssuer"], High, "decides who signs certificates for the whole cluster"),
    row("cert-manager.io", &["Issuer"], Medium, "decides who signs certificates"),
    row("cert-manager.io", &[], Low, "asks for a certificate"),
    row("trust.cert-manager.io", &[], High, "decides whom others trust: it is copied into their namespaces"),
    row("velero.io", &[], High, BACKUPS),
    row("config.kio.kasten.io", &[], High, BACKUPS),
    row("actions.kio.kasten.io", &[], High, BACKUPS),
    row("stash.appscode.com", &[], High, BACKUPS),
    row("k8up.io", &[], High, BACKUPS),
    row("kubevirt.io", &[], Medium, "runs a virtual machine"),
    row("k8s.cni.cncf.io", &[], Medium, "describes a network that pods may join past the cluster's own"),
];

/// Looks at one object.
pub(super) fn look(item: &Item<'_>, found: &mut Found) {
    table::look(TABLE, "agent/acts", item, found);
    whole_objects(item, found);
    cluster_store(item, found);
}

/// A secret store of the whole cluster lends its rights to whoever names it.
fn cluster_store(item: &Item<'_>, found: &mut Found) {
    let is_external = item.object.is("external-secrets.io", "ExternalSecret");
    if is_external && text(item.body, "/spec/secretStoreRef/kind") == Some("ClusterSecretStore") {
        let store = quoted(text(item.body, "/spec/secretStoreRef/name").unwrap_or("?"));
        found.add(
            High,
            "agent/cluster-store",
            format!("has secrets fetched with the rights of the whole cluster's {store}"),
        );
    }
}

/// Whole objects in a resource of somebody's: whoever reads it makes them, with rights of their own.
fn whole_objects(item: &Item<'_>, found: &mut Found) {
    let is_known = builtin(item.object.group(), &item.object.kind).is_some();
    let is_looked_at = |(name, _): &(&str, &Value)| !["metadata", "status"].contains(name);
    let mut left: Vec<_> =
        members(item.body, "").filter(|it| !is_known && is_looked_at(it)).map(|(_, it)| it).collect();
    let mut kinds = Vec::new();
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(members) => {
                kinds.extend(whole_object(value));
                left.extend(members.values());
            }
            _ => {}
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    if !kinds.is_empty() {
        let what = format!(
            "makes a controller write objects that it holds, with the rights of that controller: {}",
            listed(kinds)
        );
        found.add(High, "agent/objects", what);
    }
}

/// The kind of a whole object. A claim for a volume, as many resources have it, is none.
fn whole_object(value: &Value) -> Option<&str> {
    let kind = text(value, "/kind").filter(|kind| *kind != "PersistentVolumeClaim")?;
    let is_versioned = text(value, "/apiVersion").is_some();
    let has_content = ["data", "roleRef", "rules", "spec", "stringData", "subjects", "webhooks"];
    let is_whole = value.get("metadata").is_some_and(Value::is_object)
        && has_content.iter().any(|member| value.get(member).is_some());
    (is_versioned && is_whole).then_some(kind)
}
