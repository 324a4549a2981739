"""SBOMs and licences of everything that is shipped: docs/supply-chain.md."""
