"""Which tests run when: what the last full run measured says which are dear, and which a change can reach."""
