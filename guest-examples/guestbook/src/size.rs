//! Sizes of volumes, as Kubernetes writes them.

/// The bytes that a quantity stands for: `500M`, `1Gi`, `1073741824`. None for what cannot be compared exactly in whole
/// bytes here, such as `1.5Gi`; the API server writes that as `1536Mi`.
pub fn bytes(quantity: &str) -> Option<u64> {
    let digits = quantity.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit = match &quantity[digits.len()..] {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_different_units_compare() {
        assert_eq!(bytes("1024Mi"), bytes("1Gi"));
        assert!(bytes("1G") < bytes("1Gi"));
    }

    #[test]
    fn what_is_no_whole_number_of_bytes_is_not_compared() {
        for quantity in ["", "Gi", "1.5Gi", "-1Gi", "1Xi", "1 Gi", "100m", "18446744073709551615Ti"] {
            assert_eq!(bytes(quantity), None, "{quantity}");
        }
    }
}
