//! The memory that an instance of a component takes in its host before it runs: beside memories and tables, which are
//! counted when they are made, all that the host keeps about instances, functions and globals.
//!
//! A component may instantiate what is inside it many times over, and so may each of those: a few bytes stand for
//! thousands of instances. So the parts are added up here as an instantiation would make them.

use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Instance,
};

use super::InvalidComponent;
use super::allowance::Allowance;
use super::nesting::TypeSizes;

/// The most instances that one of a component may be made of. Linking an interpreter with its libraries takes fifty.
const MAX_INSTANCES: u64 = 1_000;

/// The most bytes and elements that instances copy into their memories and tables before they run: nothing ends that
/// once it has begun.
const MAX_COPIED: u64 = 256 << 20;

/// The bytes that an instance takes, beside its memories and tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// How many instances it is made of.
    pub instances: u64,
    /// How many bytes the host keeps about them.
    pub bytes: u64,
    /// How many bytes and elements they copy.
    pub(super) copied: u64,
}

/// Parts of a component that is being read, as far as they can be instantiated. None: it is handed in from elsewhere,
/// so nobody can tell what is in it.
#[derive(Debug, Default)]
pub(super) struct Parts {
    modules: Vec<Option<Footprint>>,
    components: Vec<Option<ComponentPart>>,
    pub(super) types: TypeSizes,
    /// The bytes of its imports and exports.
    interface: u64,
    total: Footprint,
}

/// A component inside another one.
#[derive(Debug, Clone, Copy)]
pub(super) struct ComponentPart {
    footprint: Footprint,
    interface: u64,
}

impl Footprint {
    /// How much the host keeps about one of them, in bytes, rounded up.
    pub(super) const INSTANCE: u64 = 2048;
    pub(super) const FUNCTION: u64 = 64;
    pub(super) const GLOBAL: u64 = 32;
    pub(super) const SPACE: u64 = 256;

    pub(super) fn add(&mut self, other: Self) {
        self.instances = self.instances.saturating_add(other.instances);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.copied = self.copied.saturating_add(other.copied);
    }

    /// Counts things of which the host keeps `each` bytes.
    pub(super) fn count(&mut self, count: u32, each: u64) {
        self.bytes = self.bytes.saturating_add(u64::from(count).saturating_mul(each));
    }

    pub(super) fn copy(&mut self, count: u64) {
        self.copied = self.copied.saturating_add(count);
    }

    fn check(self) -> Result<Self, InvalidComponent> {
        let costly = |what, most| Err(InvalidComponent::Costly { what, most });
        match self {
            Self { instances, .. } if instances > MAX_INSTANCES => costly("instances", MAX_INSTANCES),
            Self { copied, .. } if copied > MAX_COPIED => {
                costly("bytes and elements that it copies when it starts", MAX_COPIED)
            }
            whole => Ok(whole),
        }
    }
}

impl Parts {
    /// The bytes that one instance of the whole takes.
    ///
    /// # Errors
    /// [`InvalidComponent::Costly`].
    pub(super) fn total(&self) -> Result<Footprint, InvalidComponent> {
        let mut total = self.total;
        total.add(Footprint { instances: 1, bytes: Footprint::INSTANCE, copied: 0 });
        total.check()
    }

    pub(super) fn add_module(&mut self, module: Footprint) {
        self.modules.push(Some(module));
    }

    pub(super) fn add_component(&mut self, component: &Self) -> Result<(), InvalidComponent> {
        self.components
            .push(Some(ComponentPart { footprint: component.total()?, interface: component.interface }));
        Ok(())
    }

    /// Counts things of which the host keeps `each` bytes.
    pub(super) fn count(&mut self, count: u32, each: u64) {
        self.total.count(count, each);
    }

    pub(super) fn instance(&mut self, instance: &Instance<'_>) -> Result<(), InvalidComponent> {
        match instance {
            Instance::Instantiate { module_index, .. } => {
                self.instantiate(found(&self.modules, *module_index))
            }
            Instance::FromExports(_) => Ok(()),
        }
    }

    /// An instance, whose interface is compared with what it is given.
    pub(super) fn component_instance(
        &mut self,
        instance: &ComponentInstance<'_>,
        sizes: &mut Allowance,
    ) -> Result<(), InvalidComponent> {
        match instance {
            ComponentInstance::Instantiate { component_index, .. } => {
                let part = found(&self.components, *component_index);
                sizes.take(part.map_or(0, |part| part.interface))?;
                self.instantiate(part.map(|part| part.footprint))
            }
            ComponentInstance::FromExports(_) => Ok(()),
        }
    }

    pub(super) fn import(
        &mut self,
        ty: ComponentTypeRef,
        sizes: &mut Allowance,
    ) -> Result<(), InvalidComponent> {
        match ty {
            ComponentTypeRef::Module(_) => self.modules.push(None),
            ComponentTypeRef::Component(_) => self.components.push(None),
            _ => {}
        }
        self.types.declare(ty);
        let size = self.types.of_reference(ty);
        self.interface = self.interface.saturating_add(size);
        sizes.take(size)
    }

    /// An export is one more item of its kind.
    pub(super) fn export(&mut self, export: &ComponentExport<'_>) {
        match export.kind {
            ComponentExternalKind::Module => self.modules.push(found(&self.modules, export.index)),
            ComponentExternalKind::Component => self.components.push(found(&self.components, export.index)),
            ComponentExternalKind::Type => self.types.push(self.types.of(export.index)),
            _ => {}
        }
        // Nobody looks up which type an instance has, so it is taken for the largest there is.
        let size = if export.kind == ComponentExternalKind::Instance { self.types.largest() } else { 1 };
        self.interface = self.interface.saturating_add(size);
    }

    /// An alias. `outer` are the components around this one, the next one last.
    pub(super) fn alias(&mut self, alias: &ComponentAlias<'_>, outer: &[Self]) {
        match alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. } => {
                self.modules.push(None)
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                self.components.push(None)
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Type, .. } => {
                self.types.push(self.types.largest());
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index } => {
                let size = self.around(*count, outer).map_or(1, |parts| parts.types.of(*index));
                self.types.push(size);
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index } => {
                let module = self.around(*count, outer).and_then(|parts| found(&parts.modules, *index));
                self.modules.push(module);
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let component = self.around(*count, outer).and_then(|parts| found(&parts.components, *index));
                self.components.push(component);
            }
            _ => {}
        }
    }

    /// The component that many levels around this one.
    fn around<'a>(&'a self, levels: u32, outer: &'a [Self]) -> Option<&'a Self> {
        let Some(levels) = levels.checked_sub(1) else { return Some(self) };
        outer.iter().nth_back(usize::try_from(levels).ok()?)
    }

    fn instantiate(&mut self, part: Option<Footprint>) -> Result<(), InvalidComponent> {
        self.total.add(part.ok_or(InvalidComponent::Handed)?);
        self.total.check().map(drop)
    }
}

fn found<T: Copy>(items: &[Option<T>], index: u32) -> Option<T> {
    items.get(usize::try_from(index).ok()?).copied().flatten()
}
