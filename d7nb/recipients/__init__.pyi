from .check import check_numbers as check_numbers
