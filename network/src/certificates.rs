//! An authority, and servers' certificates of every kind, in a folder of their own.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use crate::host::SERVER;

/// The folder is removed with it.
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("redial-network-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("there is room");
        let certificates = Self { folder };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "ours");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is entropy");
        let authority = CertifiedIssuer::self_signed(params, key).expect("it can be signed");
        fs::write(certificates.authority(), authority.pem()).expect("there is room");
        for (name, host, is_over) in
            [("good", SERVER, false), ("expired", SERVER, true), ("elsewhere", "a.test", false)]
        {
            let mut params = CertificateParams::new([host.to_owned()]).expect("a name");
            if is_over {
                params.not_after = date_time_ymd(2020, 1, 1);
            }
            let key = KeyPair::generate().expect("there is entropy");
            let signed = params.signed_by(&key, &authority).expect("it can be signed");
            let (certificate, secret) = certificates.server(name);
            fs::write(certificate, signed.pem()).expect("there is room");
            fs::write(secret, key.serialize_pem()).expect("there is room");
        }
        certificates
    }

    pub(crate) fn authority(&self) -> String {
        self.path("authority.pem")
    }

    /// The files of `good`, `expired` or `elsewhere`, which is for another name.
    pub(crate) fn server(&self, name: &str) -> (String, String) {
        (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key.pem")))
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a path in UTF-8").to_owned()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
