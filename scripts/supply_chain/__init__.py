"""SBOMs and licences of all that is shipped: docs/supply-chain.md."""
