# shellcheck shell=bash
# Sourced: points the tools at the build's secrets, as far as they are given. All of them are optional, none of them
# outlives the RUN that mounts it, and there is no package of the mirror in a stage with such a RUN.
#   ca-bundle   PEM file of the certificate authorities to trust
#   uv-config   uv.toml with the package indexes
#   pip-config  pip.conf with the package indexes
#   netrc       credentials of the package indexes
#   proxy       the variables of the proxy, NAME=VALUE one a line

secrets=/run/secrets

if [[ -s $secrets/ca-bundle ]]; then
    export SSL_CERT_FILE=$secrets/ca-bundle
    export PIP_CERT=$secrets/ca-bundle
    export REQUESTS_CA_BUNDLE=$secrets/ca-bundle
    export CURL_CA_BUNDLE=$secrets/ca-bundle
fi
if [[ -s $secrets/uv-config ]]; then
    export UV_CONFIG_FILE=$secrets/uv-config
fi
if [[ -s $secrets/pip-config ]]; then
    export PIP_CONFIG_FILE=$secrets/pip-config
fi
if [[ -s $secrets/netrc ]]; then
    export NETRC=$secrets/netrc
fi
if [[ -s $secrets/proxy ]]; then
    while IFS='=' read -r name value; do
        export "$name=$value"
    done <$secrets/proxy
fi
