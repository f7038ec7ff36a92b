//! Finds the place of an installation, and opens the target that is there.

use crate::cluster::ConnectOptions;
use crate::state::{Installation, State, StateError};
use crate::targets::cluster::{Cluster, Owner};
use crate::targets::directory::Directory;
use crate::targets::{Place, Target};
use crate::text::CommandLine;

use super::{Access, Error, InstallationRequest, RequestedPlace};

/// A place, and the namespace there unless it is the target's own.
pub(super) struct Located {
    pub(super) place: Place,
    pub(super) namespace: Option<String>,
}

/// The namespace of a directory that nobody names one for.
const NAMESPACE: &str = "default";

impl Located {
    /// The namespace, as far as it is known before the target is opened.
    pub(super) fn namespace_before(&self) -> Option<String> {
        let of_directory = || (!self.place.is_cluster()).then(|| NAMESPACE.to_owned());
        self.namespace.clone().or_else(of_directory)
    }

    /// Where an installation is: as it is named, else as it is recorded. The request says how its cluster is reached
    /// from here.
    ///
    /// # Errors
    /// [`Error::RecordedPlace`] when its record names no place, and [`Error::Shared`] when it names one of this machine
    /// and others can write it.
    pub(super) fn of(
        installation: &Installation,
        access: &Access,
        named: Option<&Place>,
    ) -> Result<Self, Error> {
        let place = match named {
            Some(named) => same_directory(named.clone(), installation),
            None => recorded(installation, access)?,
        };
        Ok(Self { place, namespace: Some(installation.namespace.clone()) })
    }

    /// Where an installation is, or is to be.
    ///
    /// # Errors
    /// [`Error::NoPlace`] when nothing says so, and [`Error::RecordedPlace`].
    pub(super) fn of_request(
        destination: &RequestedPlace,
        request: &InstallationRequest,
        earlier: Option<&Installation>,
        state: &State,
    ) -> Result<Self, Error> {
        let RequestedPlace { named, default } = destination;
        let earlier = earlier.filter(|earlier| !earlier.is_deleted());
        let place = match (earlier, named.get()?) {
            (Some(earlier), Some(named)) => same_directory(named.clone(), earlier),
            (None, Some(named)) => named.clone(),
            (Some(earlier), None) => recorded(earlier, &request.access)?,
            (None, None) => default.get()?.clone().ok_or(Error::NoPlace)?,
        };
        let recorded = earlier.map(|earlier| earlier.namespace.clone());
        let namespace = request.namespace.clone().or(recorded);
        Ok(Self { place, namespace: namespace.or_else(|| state.namespace().map(str::to_owned)) })
    }

    /// Opens the target. Gives the namespace too: the named one, else the context's, else `default`.
    ///
    /// # Errors
    /// When it is not there, or cannot be reached.
    pub(super) async fn open(&self, name: &str, access: &Access) -> Result<(Target, String), Error> {
        let namespace = self.namespace.as_deref();
        let (kubeconfig, context) = match &self.place {
            Place::Cluster { kubeconfig, context, .. } => (kubeconfig.clone(), context.clone()),
            Place::Directory { path, secrets, identity } => {
                let namespace = namespace.unwrap_or(NAMESPACE).to_owned();
                let owner = Owner { namespace: namespace.clone(), installation: name.into() };
                let directory = Directory::open(path, *secrets, &owner)?.expected(identity.clone());
                return Ok((Target::Directory(directory), namespace));
            }
        };
        let options = ConnectOptions { kubeconfig, context, as_user: access.as_user.clone() };
        let owner = |namespace: &str| Owner { namespace: namespace.into(), installation: name.into() };
        let cluster = Cluster::connect(&options, &owner(namespace.unwrap_or(NAMESPACE))).await?;
        let namespace = namespace.unwrap_or(cluster.server().namespace()).to_owned();
        let cluster = cluster.owned_by(&owner(&namespace));
        Ok((Target::Cluster(Box::new(cluster)), namespace))
    }

    /// The place as it is to be recorded. A kubeconfig that is good for one plan is not the way to the installation.
    pub(super) fn into_recorded(self, target: &Target, access: &Access) -> Place {
        let place = match self.place {
            Place::Cluster { context, .. } if access.is_lent => Place::cluster().reached_by(None, context),
            place => place,
        };
        place.with_server(target.server().map(str::to_owned)).with_identity(target.identity())
    }
}

/// An installation of the namespace that is named, or of any.
///
/// # Errors
/// [`StateError::Missing`] when there is none.
pub(super) fn installation(
    state: &State,
    name: &str,
    namespace: Option<&str>,
) -> Result<Installation, StateError> {
    let installation = state.get(name)?;
    if namespace.is_some_and(|namespace| *namespace != installation.namespace) {
        return Err(StateError::Missing(name.into()));
    }
    Ok(installation)
}

/// The flag that names the place of an installation, where its record may not.
pub(super) fn unsaid_place(installation: &Installation, named: Option<&Place>) -> Option<CommandLine> {
    let is_here = installation.settings.place.place().is_ok_and(|place| !place.is_cluster());
    (named.is_none() && installation.is_shared() && is_here).then(|| "--target dir:PATH".into())
}

/// A place that is named, with the identity that is recorded of its directory. A record that others can write tells
/// nothing of this machine.
fn same_directory(named: Place, installation: &Installation) -> Place {
    let recorded =
        installation.settings.place.place().ok().filter(|recorded| recorded.is_same_target(&named));
    let identity =
        recorded.filter(|_| !installation.is_shared()).and_then(|it| it.identity().map(str::to_owned));
    named.with_identity(identity)
}

fn recorded(installation: &Installation, access: &Access) -> Result<Place, Error> {
    // Invariant: a path on this machine is never taken from where others can write.
    if let Some(line) = unsaid_place(installation, None) {
        return Err(Error::Shared { name: installation.name.clone(), lines: vec![line] });
    }
    let unreadable = |source| Error::RecordedPlace { name: installation.name.clone(), source };
    let place = installation.settings.place.place().map_err(unreadable)?;
    if access.kubeconfig.is_none() && access.context.is_none() {
        return Ok(place);
    }
    Ok(place.reached_by(access.kubeconfig.clone(), access.context.clone()))
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests make files")]

    use super::*;
    use crate::bundle::claim::ResultStatus;
    use crate::operations::Deferred;
    use crate::operations::InstallationRequest;
    use crate::state::InstallationSettings;

    fn installation(place: Place, is_there: bool) -> Installation {
        let last = is_there.then(crate::operations::revisions::tests::succeeded);
        let settings = InstallationSettings { place: place.into(), ..InstallationSettings::default() };
        Installation::unrecorded(settings, last, Vec::new())
    }

    /// An installation whose last action ended so.
    pub(in crate::operations) fn ended(action: &str, result: &str) -> Installation {
        let last = crate::operations::revisions::tests::succeeded();
        let last = crate::state::Revision {
            action: action.into(),
            result: ResultStatus::of(result).unwrap(),
            ..last
        };
        let mut ended = installation(Place::directory("/recorded"), true);
        ended.last = Some(last);
        ended
    }

    /// The place and the namespace of a request, in a state of a directory.
    fn located(
        destination: &RequestedPlace,
        namespace: Option<&str>,
        earlier: Option<&Installation>,
    ) -> Result<(Place, Option<String>), Error> {
        let home = tempfile::tempdir().unwrap();
        let state = State::open(&home.path().join("state")).unwrap();
        let request = InstallationRequest {
            namespace: namespace.map(str::to_owned),
            ..InstallationRequest::new("web")
        };
        let located = Located::of_request(destination, &request, earlier, &state)?;
        Ok((located.place, located.namespace))
    }

    fn destination(named: Option<&str>, default: Option<&str>) -> RequestedPlace {
        let place = |path: Option<&str>| path.map(Place::directory).into();
        RequestedPlace { named: place(named), default: place(default) }
    }

    #[test]
    fn the_named_place_wins_over_the_recorded_one_and_that_over_the_default() {
        let there = installation(Place::directory("/recorded"), true);
        let gone = installation(Place::directory("/recorded"), false);
        for (named, earlier, expected) in [
            (Some("/named"), Some(&there), "/named"),
            (None, Some(&there), "/recorded"),
            (None, Some(&gone), "/default"),
            (None, None, "/default"),
            (Some("/named"), None, "/named"),
        ] {
            let destination = destination(named, Some("/default"));
            let (place, _) = located(&destination, None, earlier).unwrap();
            assert_eq!(place, Place::directory(expected), "{named:?}");
        }
        assert!(matches!(located(&destination(None, None), None, None), Err(Error::NoPlace)));
    }

    #[test]
    fn a_default_that_cannot_be_read_matters_only_where_it_is_needed() {
        let unreadable = || Deferred::new(|| Err("no place".into()));
        let there = installation(Place::directory("/recorded"), true);
        let default = RequestedPlace { default: unreadable(), ..RequestedPlace::default() };
        assert!(located(&default, None, Some(&there)).is_ok());
        assert_eq!(located(&default, None, None).unwrap_err().to_string(), "no place");
        let named = RequestedPlace { named: unreadable(), ..RequestedPlace::default() };
        assert_eq!(located(&named, None, Some(&there)).unwrap_err().to_string(), "no place");
    }

    #[test]
    fn a_record_that_names_no_place_is_an_error_only_where_none_is_named() {
        let mut there = installation(Place::cluster(), true);
        there.settings.place = serde_json::from_value(serde_json::json!({ "target": "ssh:/x" })).unwrap();
        let error = located(&destination(None, Some("/d")), None, Some(&there)).unwrap_err();
        assert_eq!(error.to_string(), "the record of `web` does not say where its objects are");
        assert!(located(&destination(Some("/d"), None), None, Some(&there)).is_ok());
    }

    #[test]
    fn the_namespace_is_the_named_one_else_the_recorded_one() {
        let there = installation(Place::directory("/recorded"), true);
        let namespace = |named, earlier| located(&destination(None, Some("/d")), named, earlier).unwrap().1;
        assert_eq!(namespace(Some("dev"), Some(&there)).as_deref(), Some("dev"));
        assert_eq!(namespace(None, Some(&there)).as_deref(), Some("prod"));
        assert_eq!(namespace(None, None), None);
    }

    #[test]
    fn a_flag_says_how_a_recorded_cluster_is_reached() {
        let recorded =
            Place::cluster().with_server(Some("https://a".into())).reached_by(Some("/k".into()), None);
        let there = installation(recorded.clone(), true);
        assert_eq!(Located::of(&there, &Access::default(), None).unwrap().place, recorded);
        let access = Access { context: Some("other".into()), ..Access::default() };
        let expected =
            Place::cluster().with_server(Some("https://a".into())).reached_by(None, Some("other".into()));
        assert_eq!(Located::of(&there, &access, None).unwrap().place, expected);
    }

    #[test]
    fn a_directory_is_never_taken_from_a_record_that_others_can_write() {
        let plain = Place::directory("/etc").with_secrets(crate::targets::directory::Secrets::Plain);
        let hostile = installation(plain.clone(), true).shared();
        let line = |error: Error| match error {
            Error::Shared { lines, .. } => lines,
            other => panic!("{other}"),
        };
        let refused = Located::of(&hostile, &Access::default(), None).err().unwrap();
        assert_eq!(line(refused), ["--target dir:PATH"]);
        let refused = located(&destination(None, Some("/default")), None, Some(&hostile)).unwrap_err();
        assert_eq!(line(refused), ["--target dir:PATH"]);
        let own = Place::directory("/etc");
        assert_eq!(
            Located::of(&hostile, &Access::default(), Some(&own)).unwrap().place,
            own,
            "without credentials"
        );
        let cluster = installation(Place::cluster(), true).shared();
        assert_eq!(Located::of(&cluster, &Access::default(), None).unwrap().place, Place::cluster());
    }
}
