"""What a record computes, as formulas, and the one writer of them.

`tree` is what a formula is; `writer` puts the signs and the brackets, with a language each in
`tex`, `text` (the labels of pictures) and `python`. A formula is made of one recorded operation as
it is (`nodes`), or of the values of a rolled-up record, simplified as by hand (`equations`).
"""
