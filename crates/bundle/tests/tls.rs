//! TLS against Go's own server (`crypto/tls`), with certificates that it makes at its start: an
//! authority, a server certificate signed by it, and an authority that signed nothing.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bundle::{Authorities, Bundle, CollectError, CollectOptions, FetchError};
use common::{GoServer, build_go, quick, run};
use std::path::Path;

const SERVER: &str = r#"package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"time"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func certificate(name string, serial int64, ca bool, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if ca {
		t.KeyUsage |= x509.KeyUsageCertSign
	} else {
		t.DNSNames = []string{"localhost"}
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	if parent == nil {
		parent, signer = t, key
	}
	return must(x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)), key
}

func save(path string, ders ...[]byte) {
	var all []byte
	for _, der := range ders {
		all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	if err := os.WriteFile(path, all, 0o600); err != nil {
		panic(err)
	}
}

func main() {
	ca, caKey := certificate("test authority", 1, true, nil, nil)
	other, _ := certificate("another authority", 2, true, nil, nil)
	leaf, key := certificate("service", 3, false, must(x509.ParseCertificate(ca)), caKey)
	save(os.Args[1]+"/ca.pem", ca)
	save(os.Args[1]+"/other.pem", other)
	save(os.Args[1]+"/both.pem", other, ca)
	l := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: key}},
	}))
	fmt.Println(l.Addr())
	panic(http.Serve(l, nil))
}
"#;

fn trusting(file: &Path) -> CollectOptions {
    let authorities = Authorities::from_pem(&std::fs::read(file).unwrap()).unwrap();
    CollectOptions { authorities: Some(authorities), ..quick() }
}

#[test]
fn a_private_authority_is_trusted_when_named() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build_go(dir.path(), "tlsserver", SERVER);
    let server = GoServer::start(&exe, &[dir.path().to_str().unwrap()], &[]);
    let url = format!("https://{}", server.address);
    let port = server.address.rsplit(':').next().unwrap();

    for (name, options, url) in [
        ("own", trusting(&dir.path().join("ca.pem")), url.clone()),
        ("both", trusting(&dir.path().join("both.pem")), format!("https://localhost:{port}")),
        ("any", CollectOptions { insecure: true, ..quick() }, url.clone()),
    ] {
        let to = dir.path().join(name);
        run(&url, &to, &options).unwrap();
        let facts = Bundle::open(&to).unwrap().facts();
        assert!(facts.samples[0].heap.is_some(), "{name}");
        assert_eq!(facts.target.pid, Some(server.pid()));
    }
    for (name, options) in [("public", quick()), ("other", trusting(&dir.path().join("other.pem")))] {
        let e = run(&url, &dir.path().join(name), &options).unwrap_err();
        let CollectError::Endpoint { error: FetchError::Tls(why), .. } = &e else { panic!("{name}: {e:?}") };
        assert!(why.contains("issuer is unknown"), "{name}: {why}");
        assert!(e.hint().contains("--ca-file"), "{}", e.hint());
    }
}
