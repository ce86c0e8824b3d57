"""The eval suite: cases, measures and the fits of the models that ship with Citewell."""
