//! Turns a password and a key file into a key that signs; makes such files.
//!
//! The files are cosign's, both ways, so that one key serves both programs: the private key as PKCS#8, encrypted with a
//! key derived from the password, and the public key as plain PEM.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt as _};
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{PublicKey, pem};
use crate::document;
use crate::oci::file::{open_directory, open_plain};

const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";

/// The label that cosign wrote until 2022.
const OLD_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";

/// The cost that is written: scrypt with N = 2^16, as cosign does.
const LOG_N: u8 = 16;

/// The longest key file that is read, in bytes.
const MAX_FILE: u64 = 16 << 10;

/// A P-256 key that signs bundles. It is never shown, and its file never holds it in clear.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key could not be made or used.
    #[error("the cryptographic library failed")]
    Cryptography,
    /// The JSON in the file breaks a rule.
    #[error("the key file is not valid")]
    Document(#[from] document::InvalidDocument),
    /// There is a file of that name: a key is never overwritten.
    #[error("`{0}` is there already")]
    Exists(String),
    /// The file asks for a derivation that is not cosign's. A dear one would use up memory and time.
    #[error("the key file wants a derivation or cipher that is not accepted")]
    Parameters,
    /// The password is wrong, or the file was changed.
    #[error("the password does not open the key")]
    Password,
    /// The text is not such a file.
    #[error("the file is not PEM with the label `{LABEL}`")]
    Pem,
    /// The prefix has no file name.
    #[error("`{0}` does not end in a file name")]
    Prefix(String),
    /// A file could not be read or written.
    #[error("cannot access `{name}`")]
    System {
        /// The file's name.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The key in the file is not P-256.
    #[error("the key in the file is not a P-256 key")]
    Unsupported,
}

#[derive(Serialize, Deserialize)]
struct KeyFile {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
#[expect(non_snake_case, reason = "the member is called `N`")]
struct Params {
    N: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl PrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`] when the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| KeyError::Cryptography)
            .and_then(Self::of_pair)
    }

    /// Opens the text of a key file. A file without a password has the empty one.
    ///
    /// # Errors
    /// [`KeyError`] for a wrong password, and for files that are not exactly in cosign's form.
    pub fn open(text: &str, password: &SecretString) -> Result<Self, KeyError> {
        let json = pem::decode(text, LABEL).or_else(|| pem::decode(text, OLD_LABEL)).ok_or(KeyError::Pem)?;
        let (file, _) = document::json_as::<KeyFile>(&json)?;
        let log_n = file.kdf.accepted().ok_or(KeyError::Parameters)?;
        let nonce: [u8; 24] = match (&*file.cipher.name, STANDARD.decode(&file.cipher.nonce)) {
            ("nacl/secretbox", Ok(nonce)) => nonce.try_into().map_err(|_| KeyError::Parameters)?,
            _ => return Err(KeyError::Parameters),
        };
        let salt = STANDARD.decode(&file.kdf.salt).map_err(|_| KeyError::Parameters)?;
        let ciphertext = STANDARD.decode(&file.ciphertext).map_err(|_| KeyError::Password)?;
        let pkcs8 = secretbox(password, &salt, log_n)?
            .decrypt(&nonce.into(), &*ciphertext)
            .map(Zeroizing::new)
            .map_err(|_| KeyError::Password)?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8)
            .map_err(|_| KeyError::Unsupported)
            .and_then(Self::of_pair)
    }

    /// Opens a key file.
    ///
    /// # Errors
    /// [`KeyError`] as for [`PrivateKey::open`], and when the file cannot be read.
    pub fn read(path: &Path, password: &SecretString) -> Result<Self, KeyError> {
        let (directory, name) = split(path)?;
        let system = |source| KeyError::System { name: path.display().to_string(), source };
        let mut text = String::new();
        open_plain(&directory, &name)
            .map_err(system)?
            .take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(system)?;
        Self::open(&text, password)
    }

    /// The key that checks what this one signs.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The text of a key file for this key.
    ///
    /// # Errors
    /// [`KeyError::Cryptography`] when the system gives no randomness.
    pub fn to_pem(&self, password: &SecretString) -> Result<String, KeyError> {
        let pkcs8 = self.pair.to_pkcs8v1().map_err(|_| KeyError::Cryptography)?;
        let (salt, nonce) = (random::<32>()?, random::<24>()?);
        let ciphertext = secretbox(password, &salt, LOG_N)?
            .encrypt(&nonce.into(), pkcs8.as_ref())
            .map_err(|_| KeyError::Cryptography)?;
        let file = KeyFile {
            kdf: Kdf {
                name: "scrypt".into(),
                params: Params { N: 1 << LOG_N, r: 8, p: 1 },
                salt: STANDARD.encode(salt),
            },
            cipher: Cipher { name: "nacl/secretbox".into(), nonce: STANDARD.encode(nonce) },
            ciphertext: STANDARD.encode(ciphertext),
        };
        let json = serde_json::to_vec(&file).map_err(document::InvalidDocument::from)?;
        Ok(pem::encode(LABEL, &json))
    }

    /// Writes `PREFIX.key`, readable by its owner alone, and `PREFIX.pub`.
    ///
    /// # Errors
    /// [`KeyError::Exists`] when one of the files is there, [`KeyError::System`] when one cannot be written.
    pub fn write(&self, prefix: &Path, password: &SecretString) -> Result<(), KeyError> {
        let (directory, name) = split(prefix)?;
        let (private, public) = (format!("{name}.key"), format!("{name}.pub"));
        for name in [&private, &public] {
            if directory.symlink_metadata(name).is_ok() {
                return Err(KeyError::Exists(name.clone()));
            }
        }
        write_new(&directory, &private, 0o600, &self.to_pem(password)?)?;
        let written = write_new(&directory, &public, 0o644, &self.public.to_pem());
        if written.is_err() {
            // Half of a pair is of no use, and would be in the way of the next.
            drop(directory.remove_file(&private));
        }
        written
    }

    /// Signs: ECDSA over SHA-256, in DER. Two signatures over the same bytes differ.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Cryptography)?;
        Ok(signature.as_ref().to_vec())
    }

    fn of_pair(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let spki = pair.public_key().as_der().map_err(|_| KeyError::Cryptography)?;
        let public = PublicKey::from_der(spki.as_ref().to_vec()).map_err(|_| KeyError::Unsupported)?;
        Ok(Self { pair, public })
    }
}

impl Kdf {
    /// The cost, if it is one that cosign writes or wrote.
    fn accepted(&self) -> Option<u8> {
        match (&*self.name, self.params.N, self.params.r, self.params.p) {
            ("scrypt", 32_768, 8, 1) => Some(15),
            ("scrypt", 65_536, 8, 1) => Some(16),
            ("scrypt", 131_072, 8, 1) => Some(17),
            _ => None,
        }
    }
}

fn secretbox(password: &SecretString, salt: &[u8], log_n: u8) -> Result<XSalsa20Poly1305, KeyError> {
    let params = scrypt::Params::new(log_n, 8, 1).map_err(|_| KeyError::Parameters)?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password.expose_secret().as_bytes(), salt, &params, &mut *key)
        .map_err(|_| KeyError::Parameters)?;
    Ok(XSalsa20Poly1305::new((&*key).into()))
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Cryptography)?;
    Ok(bytes)
}

/// The directory that `path` lies in, and its last segment.
fn split(path: &Path) -> Result<(Dir, String), KeyError> {
    let invalid = || KeyError::Prefix(path.display().to_string());
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(invalid)?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let system = |source| KeyError::System { name: parent.display().to_string(), source };
    Ok((open_directory(parent).map_err(system)?, name.to_owned()))
}

fn write_new(directory: &Dir, name: &str, mode: u32, text: &str) -> Result<(), KeyError> {
    let system = |source| KeyError::System { name: name.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = directory.open_with(name, &options).map_err(system)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        drop(directory.remove_file(name));
    }
    written.map_err(system)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use super::*;

    fn password(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn refusal(text: &str, word: &str) -> KeyError {
        PrivateKey::open(text, &password(word)).err().unwrap()
    }

    /// A key file with its JSON changed.
    fn changed(text: &str, label: &str, from: &str, to: &str) -> String {
        let json = String::from_utf8(pem::decode(text, LABEL).unwrap()).unwrap();
        assert!(json.contains(from));
        pem::encode(label, json.replace(from, to).as_bytes())
    }

    #[test]
    fn a_key_survives_its_file_and_opens_with_its_password_alone() {
        let key = PrivateKey::generate().unwrap();
        let text = key.to_pem(&password("right")).unwrap();
        let opened = PrivateKey::open(&text, &password("right")).unwrap();
        assert!(key.public() == opened.public());
        assert!(key.public().signed(b"message", &opened.sign(b"message").unwrap()));
        assert!(matches!(refusal(&text, "wrong"), KeyError::Password));
        assert!(PrivateKey::open(&changed(&text, OLD_LABEL, "{", "{"), &password("right")).is_ok());
    }

    #[test]
    fn dear_derivations_are_refused_before_they_are_tried() {
        let text = PrivateKey::generate().unwrap().to_pem(&password("")).unwrap();
        for (from, to) in [
            ("\"N\":65536", "\"N\":1073741824"),
            ("\"r\":8", "\"r\":1024"),
            ("\"p\":1", "\"p\":4096"),
            ("scrypt", "argon2"),
            ("nacl/secretbox", "none"),
        ] {
            assert!(matches!(refusal(&changed(&text, LABEL, from, to), ""), KeyError::Parameters), "{to}");
        }
    }

    #[test]
    fn the_costs_that_cosign_wrote_are_paid_and_no_others() {
        let accepted = |name: &str, params: (u64, u32, u32)| {
            let params = Params { N: params.0, r: params.1, p: params.2 };
            Kdf { name: name.into(), params, salt: String::new() }.accepted()
        };
        let costs = [32_768, 65_536, 131_072].map(|cost| accepted("scrypt", (cost, 8, 1)));
        assert_eq!(costs, [Some(15), Some(16), Some(17)]);
        for (name, params) in [
            ("scrypt", (16_384, 8, 1)),
            ("scrypt", (262_144, 8, 1)),
            ("scrypt", (32_768, 9, 1)),
            ("scrypt", (131_072, 8, 2)),
            ("Scrypt", (65_536, 8, 1)),
        ] {
            assert_eq!(accepted(name, params), None, "{name} {params:?}");
        }
    }

    /// With one salt for all files a guess at a password would be a guess at each, and with one nonce two texts would show
    /// what they have in common.
    #[test]
    fn each_file_has_a_salt_and_a_nonce_of_its_own() {
        let key = PrivateKey::generate().unwrap();
        let parts = || {
            let text = key.to_pem(&password("p")).unwrap();
            let file: KeyFile = serde_json::from_slice(&pem::decode(&text, LABEL).unwrap()).unwrap();
            (file.kdf.salt, file.cipher.nonce)
        };
        let ((salt, nonce), (other_salt, other_nonce)) = (parts(), parts());
        assert!(salt != other_salt && nonce != other_nonce);
        for (text, length) in [(salt, 32), (nonce, 24)] {
            let bytes = STANDARD.decode(text).unwrap();
            assert_eq!(bytes.len(), length);
            assert!(bytes.iter().any(|byte| *byte != bytes[0]));
        }
    }

    #[test]
    fn cut_and_foreign_files_are_refused() {
        let text = PrivateKey::generate().unwrap().to_pem(&password("")).unwrap();
        let json = pem::decode(&text, LABEL).unwrap();
        assert!(matches!(refusal(&pem::encode(LABEL, &json[..90]), ""), KeyError::Document(_)));
        assert!(matches!(refusal(&pem::encode("PRIVATE KEY", &json), ""), KeyError::Pem));
        assert!(matches!(refusal(&text[..100], ""), KeyError::Pem));
    }

    #[test]
    fn files_are_private_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt as _;
        let temporary = tempfile::tempdir().unwrap();
        let prefix = temporary.path().join("release");
        let key = PrivateKey::generate().unwrap();
        key.write(&prefix, &password("p")).unwrap();
        let mode = temporary.path().join("release.key").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = PrivateKey::read(&temporary.path().join("release.key"), &password("p")).unwrap();
        assert!(read.public() == key.public());
        assert!(
            matches!(key.write(&prefix, &password("p")), Err(KeyError::Exists(name)) if name == "release.key")
        );
    }
}
