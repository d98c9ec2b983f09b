"""Domain hints: the initial prompt of speech recognition by the subject of a stream."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.text.languages import base_language

GENERAL = "general"

_SPORTS = {
    "en": "Sports commentary: kick-off, half-time, overtime, penalty, referee, score, season, playoffs, championship.",
    "es": "Comentario deportivo: saque, descanso, prórroga, penalti, árbitro, marcador, temporada, campeonato.",
    "pt": "Comentário esportivo: início, intervalo, prorrogação, pênalti, árbitro, placar, temporada, campeonato.",
    "fr": "Commentaire sportif : coup d'envoi, mi-temps, prolongations, pénalty, arbitre, score, saison, championnat.",
    "de": "Sportreportage: Anpfiff, Halbzeit, Verlängerung, Elfmeter, Schiedsrichter, Spielstand, Meisterschaft.",
}
_FOOTBALL = {
    "en": "Football commentary: touchdown, quarterback, first down, end zone, field goal, fumble, interception, NFL.",
    "es": "Partido de fútbol: gol, córner, fuera de juego, tarjeta amarilla, portero, delantero, banda, área.",
    "pt": "Jogo de futebol: gol, escanteio, impedimento, cartão amarelo, goleiro, atacante, lateral, grande área.",
    "fr": "Match de football : but, corner, hors-jeu, carton jaune, gardien, attaquant, touche, surface de réparation.",
    "de": "Fußballspiel: Tor, Ecke, Abseits, gelbe Karte, Torwart, Stürmer, Einwurf, Strafraum.",
}
_BASKETBALL = {
    "en": "Basketball commentary: three-pointer, free throw, rebound, assist, dunk, turnover, shot clock, foul, NBA.",
    "es": "Partido de baloncesto: triple, tiro libre, rebote, asistencia, mate, pérdida, posesión, falta, NBA.",
    "pt": "Jogo de basquete: cesta de três, lance livre, rebote, assistência, enterrada, posse de bola, falta, NBA.",
    "fr": "Match de basket : panier à trois points, lancer franc, rebond, passe décisive, possession, faute, NBA.",
    "de": "Basketballspiel: Dreier, Freiwurf, Rebound, Vorlage, Dunking, Ballverlust, Ballbesitz, Foul, NBA.",
}
_NEWS = {
    "en": "News report: breaking news, government, president, election, parliament, economy, inflation, correspondent.",
    "es": "Noticias: última hora, gobierno, presidente, elecciones, parlamento, economía, inflación, corresponsal.",
    "pt": "Notícias: última hora, governo, presidente, eleições, parlamento, economia, inflação, correspondente.",
    "fr": "Journal : flash spécial, gouvernement, président, élections, parlement, économie, inflation, correspondant.",
    "de": "Nachrichten: Eilmeldung, Regierung, Präsident, Wahlen, Parlament, Wirtschaft, Inflation, Korrespondent.",
}
_INTERVIEW = {
    "en": "An interview: host, guest, question, answer. Thank you for joining us. Tell us about your work.",
    "es": "Una entrevista: presentador, invitado, pregunta, respuesta. Gracias por venir. Cuéntenos de su trabajo.",
    "pt": "Uma entrevista: apresentador, convidado, pergunta, resposta. Obrigado por vir. Fale do seu trabalho.",
    "fr": "Un entretien : animateur, invité, question, réponse. Merci d'être avec nous. Parlez-nous de votre travail.",
    "de": "Ein Interview: Moderator, Gast, Frage, Antwort. Danke, dass Sie hier sind. Erzählen Sie von Ihrer Arbeit.",
}
_PROMPTS = {
    "sports": _SPORTS,
    "football": _FOOTBALL,
    "basketball": _BASKETBALL,
    "news": _NEWS,
    "interview": _INTERVIEW,
    GENERAL: {},
}

DOMAINS = frozenset(_PROMPTS)
"""Known hints; any other means `GENERAL`."""


def initial_prompt(hints: Sequence[str], language: str) -> str:
    """Return the initial prompt of recognition; empty for `GENERAL` and for languages without a list.

    The first hint counts, ignoring case. ``language`` is the spoken one. A prompt in another language would be worse
    than none: Whisper continues in the language of its prompt, so an English prompt pulls a Japanese transcript into
    English. The lists are short, since silence may be transcribed as the prompt itself.
    """
    domain = hints[0].strip().lower() if hints else GENERAL
    return _PROMPTS.get(domain, {}).get(base_language(language), "")
