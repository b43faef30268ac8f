# shellcheck shell=bash
# Sourced: points the tools at the build's secrets, as far as they are given. All of them are optional, none of them
# outlives the RUN that mounts it, and no such RUN runs code of a package that the cluster or an index has chosen.
#   ca-bundle   PEM file of the certificate authorities to trust
#   proxy       the variables of the proxy, NAME=VALUE one a line

secrets=/run/secrets

if [[ -s $secrets/ca-bundle ]]; then
    export SSL_CERT_FILE=$secrets/ca-bundle
    export CURL_CA_BUNDLE=$secrets/ca-bundle
fi
if [[ -s $secrets/proxy ]]; then
    while IFS='=' read -r name value; do
        export "$name=$value"
    done <$secrets/proxy
fi
if [[ -s $secrets/netrc ]]; then
    export NETRC=$secrets/netrc
fi
