//! The imports of a component as its binary has them, before they are read as WIT.
//!
//! WIT knows interfaces, functions and types. A binary can import more: core modules, components, values, and instances
//! that hold such things. None of them would show in a list of interfaces, so none is let through.

use wasmparser::component_types::{ComponentEntityType, ComponentInstanceTypeId};
use wasmparser::types::TypesRef;
use wasmparser::{ComponentImportSectionReader, Parser, Payload};

use super::InvalidComponent;

/// Checks that a component imports nothing but interfaces, and that those consist of nothing but functions and types.
/// `types` are those that its validation found.
pub(super) fn check_imports(bytes: &[u8], types: TypesRef<'_>) -> Result<(), InvalidComponent> {
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| InvalidComponent::Wasm(error.to_string()))? {
            // Every part begins with its version.
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 1 => check_section(imports, types)?,
            _ => {}
        }
    }
    Ok(())
}

fn check_section(
    imports: ComponentImportSectionReader<'_>,
    types: TypesRef<'_>,
) -> Result<(), InvalidComponent> {
    for import in imports {
        let name = import.map_err(|error| InvalidComponent::Wasm(error.to_string()))?.name.name;
        match types.component_item_for_import(name).map(|item| &item.ty) {
            Some(ComponentEntityType::Instance(id)) if is_interface(name) => {
                check_instance(name, *id, types)?
            }
            Some(other) => return Err(odd(other, name.to_owned())),
            None => return Err(InvalidComponent::Wasm(format!("the import `{name}` has no type"))),
        }
    }
    Ok(())
}

/// Whether a name is `NAMESPACE:PACKAGE/INTERFACE`: not one of an import's own, nor a place to fetch something from.
fn is_interface(name: &str) -> bool {
    name.contains(':') && name.contains('/') && !name.contains(['=', '<'])
}

fn check_instance(
    name: &str,
    id: ComponentInstanceTypeId,
    types: TypesRef<'_>,
) -> Result<(), InvalidComponent> {
    let instance = types.get(id).ok_or_else(|| InvalidComponent::Wasm(format!("`{name}` has no type")))?;
    let odd_one = instance.exports.iter().find(|(_, item)| {
        !matches!(item.ty, ComponentEntityType::Func(_) | ComponentEntityType::Type { .. })
    });
    odd_one.map_or(Ok(()), |(member, item)| Err(odd(&item.ty, format!("{name}#{member}"))))
}

fn odd(kind: &ComponentEntityType, name: String) -> InvalidComponent {
    let kind = match kind {
        ComponentEntityType::Module(_) => "the core module",
        ComponentEntityType::Func(_) => "the function",
        ComponentEntityType::Value(_) => "the value",
        ComponentEntityType::Type { .. } => "the type",
        ComponentEntityType::Instance(_) => "the instance",
        ComponentEntityType::Component(_) => "the component",
    };
    InvalidComponent::Import { kind, name }
}
