"""What the face metrics say of one model, in sentences for who knows no statistics.

Every sentence is made of a Result's numbers, and says no more than they do: two faces are similar
beyond a threshold or they are not; who somebody is, nobody here knows.
"""

from facebench_reports.faces_text.answers import Answer, answers, has_faces

__all__ = ["Answer", "answers", "has_faces"]
