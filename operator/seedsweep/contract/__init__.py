"""What a trainer is told and what it says, for both sides: docs/trainer-contract.md in code."""
