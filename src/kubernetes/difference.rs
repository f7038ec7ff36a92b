//! Compares two states of an object, without the fields that the server writes by itself.

use serde_json::Value;

/// The object without its status and the fields that the server writes by itself, so that only meaningful differences
/// are left.
pub fn without_bookkeeping(object: &Value) -> Value {
    const WRITTEN_BY_THE_SERVER: [&str; 6] =
        ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];
    let mut bare = object.clone();
    if let Value::Object(members) = &mut bare {
        members.remove("status");
        if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
            metadata.retain(|name, _| !WRITTEN_BY_THE_SERVER.contains(&name.as_str()));
        }
    }
    bare
}

/// `body` laid over what is there, member by member: items of lists of the same length by their place.
pub fn overlaid(before: &Value, body: &Value) -> Value {
    match (before, body) {
        (Value::Object(old), Value::Object(new)) => {
            let mut all = old.clone();
            for (name, value) in new {
                let laid = old.get(name).map_or_else(|| value.clone(), |old| overlaid(old, value));
                all.insert(name.clone(), laid);
            }
            Value::Object(all)
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).map(|(old, new)| overlaid(old, new)).collect()
        }
        (_, new) => new.clone(),
    }
}
