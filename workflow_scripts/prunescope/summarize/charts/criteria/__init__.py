"""Charts that compare criteria and methods where they are alike: in sparsity, or in accuracy."""
