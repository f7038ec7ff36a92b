//! The rules about parts of a bundle that must agree with each other, once each of them has been read.

use std::collections::BTreeMap;

use super::super::validator::{Validator, Weight, below};
use super::super::{BUILT_IN_ACTIONS, Content};
use super::path::segments;
use crate::digest::Digest;

impl Validator {
    /// Checks the references between the parts.
    pub(super) fn check_together(&mut self, content: &Content) {
        self.check_images(content);
        self.check_destinations(content);
        self.check_outputs(content);
        self.check_actions(content);
    }

    /// The relocation map has one entry per reference, so one reference cannot stand for two images.
    fn check_images(&mut self, content: &Content) {
        let mut digests: BTreeMap<&str, Digest> = BTreeMap::new();
        let invocation = content
            .invocation_images
            .iter()
            .enumerate()
            .map(|(index, image)| (format!("/invocationImages/{index}/image"), image));
        let named =
            content.images.iter().map(|(name, image)| (below(&below("/images", name), "image"), image));
        for (at, image) in invocation.chain(named) {
            let digest = *digests.entry(&image.image).or_insert(image.digest);
            if digest != image.digest {
                let what = format!("stands for {digest} elsewhere in this bundle");
                self.fault(Weight::Must, at, what, "CNAB 103 #130");
            }
        }
    }

    /// Which of two values a component would see must not depend on the order in which they are put in place.
    fn check_destinations(&mut self, content: &Content) {
        let parameters = content.parameters.iter().map(|(name, parameter)| {
            (below(&below("/parameters", name), "destination"), &parameter.destination)
        });
        let credentials = content
            .credentials
            .iter()
            .map(|(name, credential)| (below("/credentials", name), &credential.destination));
        let destinations: Vec<_> = parameters.chain(credentials).collect();
        let mut variables = BTreeMap::new();
        for (at, destination) in &destinations {
            let Some(env) = &destination.env else { continue };
            if let Some(other) = variables.insert(env, at) {
                let what = format!("is the same variable as `{other}/env`");
                self.fault(Weight::Must, below(at, "env"), what, "CNAB 101 #78");
            }
        }
        let paths = destinations
            .iter()
            .filter_map(|(at, destination)| Some((destination.path.as_deref()?, at.clone())));
        self.check_apart(paths.collect(), "CNAB 101 #79");
    }

    fn check_outputs(&mut self, content: &Content) {
        let paths =
            content.outputs.iter().map(|(name, output)| (output.path.as_str(), below("/outputs", name)));
        self.check_apart(paths.collect(), "CNAB 101 #103");
    }

    /// No path may be another one or a directory above it. Sorted by segments, such a pair always stands side by side
    /// with another such pair, so neighbours are all that is compared.
    fn check_apart(&mut self, paths: Vec<(&str, String)>, rule: &'static str) {
        let mut sorted: Vec<_> =
            paths.iter().map(|(path, at)| (segments(path).collect::<Vec<_>>(), *path, at)).collect();
        sorted.sort();
        for pair in sorted.windows(2) {
            let [(upper, _, other), (lower, path, at)] = pair else { continue };
            if lower.starts_with(upper) {
                let what = format!("`{path}` is the same path as `{other}/path`, or inside it");
                self.fault(Weight::Must, below(at, "path"), what, rule);
            }
        }
    }

    /// `applyTo` should speak of actions that there are.
    fn check_actions(&mut self, content: &Content) {
        let parameters =
            content.parameters.iter().map(|(name, part)| (below("/parameters", name), &part.apply_to));
        let credentials =
            content.credentials.iter().map(|(name, part)| (below("/credentials", name), &part.apply_to));
        let outputs = content.outputs.iter().map(|(name, part)| (below("/outputs", name), &part.apply_to));
        for (at, apply_to) in parameters.chain(credentials).chain(outputs) {
            for action in apply_to {
                if !BUILT_IN_ACTIONS.contains(&action.as_str()) && !content.actions.contains_key(action) {
                    let what = format!("names the action `{action}`, which is not declared");
                    self.fault(Weight::Advice, below(&at, "applyTo"), what, "CNAB 101 #49");
                }
            }
        }
    }
}
